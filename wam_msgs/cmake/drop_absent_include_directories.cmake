# The ROS 2 wheels on PyPI export include directories of the machine that built them (/opt/python/...,
# /opt/_internal/...). CMake refuses an imported target whose include directory does not exist, so those are
# dropped. With a ROS installation every directory exists and nothing changes.

function(drop_absent_include_directories directory)
  get_property(targets DIRECTORY "${directory}" PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(includes ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT includes)
      continue()
    endif()
    set(present "")
    foreach(include IN LISTS includes)
      if(NOT IS_ABSOLUTE "${include}" OR EXISTS "${include}")
        list(APPEND present "${include}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${present}")
  endforeach()
  get_property(children DIRECTORY "${directory}" PROPERTY SUBDIRECTORIES)
  foreach(child IN LISTS children)
    drop_absent_include_directories("${child}")
  endforeach()
endfunction()

drop_absent_include_directories("${CMAKE_CURRENT_SOURCE_DIR}")
