// One camera's message bytes to its tile of the model's picture, in one pass over the output.
//
// The result is that of wam_core/preprocess/images.py (OpenCV's colour conversions, undistortion and pixel-area averaging,
// rounded to 8 bits) to within 1/255. Plain C apart from the lines that ask for __CUDACC__: the tests compile it for the CPU.

#ifdef __CUDACC__
#define KERNEL extern "C" __global__
#define INLINE __device__ __forceinline__
#else
#define KERNEL extern "C"
#define INLINE static inline
#endif

// Numbers of the encodings and of the kinds of picture: those of fused.py.
enum { RGB8, BGR8, RGBA8, BGRA8, MONO8, YUV422, YUV422_YUY2, BAYER_RGGB8, BAYER_BGGR8, BAYER_GBRG8, BAYER_GRBG8 };
enum { PIXELS, FLOATS, HALVES };

struct Source {
    const unsigned char* bytes;
    int height, width, row_bytes, encoding, turned;
    int top, left, high, wide;  // what is looked at, of the straight picture
    const short* pixels;  // of Undistortion, as shares; looked at by straight() alone
    const unsigned short* shares;
};

struct Colour {
    float r, g, b;
};

INLINE int clamped(int value, int low, int high) { return value < low ? low : value > high ? high : value; }

INLINE float eight_bits(int value) { return (float)clamped(value, 0, 255); }

// ITU-R BT.601, limited range, in the fixed point that OpenCV uses.
INLINE Colour of_yuv(int y, int u, int v) {
    const int shift = 20, half = 1 << (shift - 1);
    const int luma = (y > 16 ? y - 16 : 0) * 1220542;
    u -= 128;
    v -= 128;
    Colour out;
    out.r = eight_bits((luma + half + 1673527 * v) >> shift);
    out.g = eight_bits((luma + half - 852492 * v - 409993 * u) >> shift);
    out.b = eight_bits((luma + half + 2116026 * u) >> shift);
    return out;
}

// Bilinear demosaicing; red_row and red_column are the parities at which red lies.
INLINE Colour of_bayer(const Source& s, int y, int x, int red_row, int red_column) {
    y = clamped(y, 1, s.height - 2);
    x = clamped(x, 1, s.width - 2);
    const unsigned char* here = s.bytes + (long long)y * s.row_bytes + x;
    const unsigned char *above = here - s.row_bytes, *below = here + s.row_bytes;
    const int own = here[0];
    const int beside = here[-1] + here[1], over = above[0] + below[0];
    const int corners = above[-1] + above[1] + below[-1] + below[1];
    const int on_red_row = (y & 1) == red_row, on_red_column = (x & 1) == red_column;
    Colour out;
    if (on_red_row == on_red_column) {
        const float other = (float)((corners + 2) >> 2);
        out.g = (float)((beside + over + 2) >> 2);
        out.r = on_red_row ? (float)own : other;
        out.b = on_red_row ? other : (float)own;
    } else {
        const float horizontal = (float)((beside + 1) >> 1), vertical = (float)((over + 1) >> 1);
        out.g = (float)own;
        out.r = on_red_row ? horizontal : vertical;
        out.b = on_red_row ? vertical : horizontal;
    }
    return out;
}

INLINE Colour sent(const Source& s, int y, int x) {
    const unsigned char* row = s.bytes + (long long)y * s.row_bytes;
    const unsigned char* p;
    switch (s.encoding) {
        case RGB8: p = row + 3 * x; return Colour{(float)p[0], (float)p[1], (float)p[2]};
        case BGR8: p = row + 3 * x; return Colour{(float)p[2], (float)p[1], (float)p[0]};
        case RGBA8: p = row + 4 * x; return Colour{(float)p[0], (float)p[1], (float)p[2]};
        case BGRA8: p = row + 4 * x; return Colour{(float)p[2], (float)p[1], (float)p[0]};
        case MONO8: return Colour{(float)row[x], (float)row[x], (float)row[x]};
        case YUV422: p = row + 4 * (x >> 1); return of_yuv(p[1 + 2 * (x & 1)], p[0], p[2]);
        case YUV422_YUY2: p = row + 4 * (x >> 1); return of_yuv(p[2 * (x & 1)], p[1], p[3]);
        case BAYER_RGGB8: return of_bayer(s, y, x, 0, 0);
        case BAYER_BGGR8: return of_bayer(s, y, x, 1, 1);
        case BAYER_GBRG8: return of_bayer(s, y, x, 1, 0);
        default: return of_bayer(s, y, x, 0, 1);
    }
}

INLINE void add(Colour& sum, const Colour& c, float weight) {
    sum.r += weight * c.r;
    sum.g += weight * c.g;
    sum.b += weight * c.b;
}

// A pixel of the straight picture, as OpenCV samples it: between four that were sent, at shares of 1/32 a side, rounded
// to 8 bits; black where nothing was sent. All sums are whole numbers.
INLINE Colour straight(const Source& s, int y, int x) {
    const long long at = (long long)y * s.width + x;
    const int left = s.pixels[2 * at], top = s.pixels[2 * at + 1];
    const int right_share = s.shares[at] & 31, below_share = s.shares[at] >> 5;
    Colour sum = {0.0f, 0.0f, 0.0f};
    for (int below = 0; below < 2; ++below)
        for (int right = 0; right < 2; ++right) {
            const int row = top + below, column = left + right;
            if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
            const int weight = (below ? below_share : 32 - below_share) * (right ? right_share : 32 - right_share);
            if (weight) add(sum, sent(s, row, column), (float)weight);
        }
    return Colour{floorf((sum.r + 512.0f) / 1024.0f), floorf((sum.g + 512.0f) / 1024.0f),
                  floorf((sum.b + 512.0f) / 1024.0f)};
}

// A pixel of what is looked at. What is template<bool bent> costs a camera that needs no undistortion nothing: it has a kernel of its own.
template <bool bent>
INLINE Colour pixel(const Source& s, int y, int x) {
    if (s.turned) {
        y = s.high - 1 - y;
        x = s.wide - 1 - x;
    }
    y += s.top;
    x += s.left;
    return bent ? straight(s, y, x) : sent(s, y, x);
}

// The mean over an output pixel's footprint, partly covered pixels by their covered share.
template <bool bent>
INLINE Colour area_mean(const Source& s, int y, int x, float down, float across) {
    const float top = y * down, bottom = top + down, left = x * across, right = left + across;
    const int last_row = clamped((int)ceilf(bottom - 1e-3f), 1, s.high);
    const int last_column = clamped((int)ceilf(right - 1e-3f), 1, s.wide);
    Colour sum = {0.0f, 0.0f, 0.0f};
    float covered = 0.0f;
    for (int row = (int)top; row < last_row; ++row) {
        const float high = fminf(bottom, row + 1.0f) - fmaxf(top, (float)row);
        for (int column = (int)left; column < last_column; ++column) {
            const float weight = high * (fminf(right, column + 1.0f) - fmaxf(left, (float)column));
            add(sum, pixel<bent>(s, row, column), weight);
            covered += weight;
        }
    }
    sum.r /= covered;
    sum.g /= covered;
    sum.b /= covered;
    return sum;
}

// A product that a GPU must not join with the sum it is part of.
INLINE double times(double a, double b) {
#ifdef __CUDA_ARCH__
    return __dmul_rn(a, b);
#else
    return a * b;
#endif
}

// Where an output pixel of so many lies between two of the source's, when there are more of them: as OpenCV enlarges by
// area, in its precision: where a pixel begins exactly at one of the source, less would take the one before.
INLINE int between(int out, int outs, int size, float& share) {
    const double enlarged = (double)outs / size;
    int low = (int)floor(times(out, 1.0 / enlarged));
    share = (float)((out + 1) - times(low + 1, enlarged));
    share = share <= 0.0f ? 0.0f : share - floorf(share);
    if (low >= size - 1) {
        low = size - 1;
        share = 0.0f;
    }
    return low;
}

template <bool bent>
INLINE Colour interpolated(const Source& s, int y, int x, int high, int wide) {
    float below, right;
    const int row = between(y, high, s.high, below), column = between(x, wide, s.wide, right);
    const int next_row = clamped(row + 1, 0, s.high - 1), next_column = clamped(column + 1, 0, s.wide - 1);
    Colour sum = {0.0f, 0.0f, 0.0f};
    add(sum, pixel<bent>(s, row, column), (1.0f - below) * (1.0f - right));
    add(sum, pixel<bent>(s, row, next_column), (1.0f - below) * right);
    add(sum, pixel<bent>(s, next_row, column), below * (1.0f - right));
    add(sum, pixel<bent>(s, next_row, next_column), below * right);
    return sum;
}

// IEEE half precision, rounded to nearest even, of a number in [-1, 1].
INLINE unsigned short half_bits(float value) {
#ifdef __CUDA_ARCH__
    unsigned short out;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out) : "f"(value));
    return out;
#else
    const unsigned short sign = value < 0.0f ? 0x8000 : 0;
    const float size = value < 0.0f ? -value : value;
    if (size < 6.103515625e-05f) return sign | (unsigned short)rintf(size * 16777216.0f);  // below the normal numbers
    int exponent;
    const int digits = (int)rintf(frexpf(size, &exponent) * 2048.0f);  // 1024..2048
    return sign | (unsigned short)(((exponent + 14) << 10) + digits - 1024);
#endif
}

INLINE void put(void* out, int kind, long long at, float value) {
    const float rounded = rintf(value);
    if (kind == PIXELS) {
        ((unsigned char*)out)[at] = (unsigned char)rounded;
    } else if (kind == FLOATS) {
        ((float*)out)[at] = rounded / 127.5f - 1.0f;
    } else {
        ((unsigned short*)out)[at] = half_bits(rounded / 127.5f - 1.0f);
    }
}

// The tile [high, wide] at (top, left) of a picture [height, width]: uint8 [height, width, 3], or [3, height, width] in
// [-1, 1].
struct Tile {
    void* out;
    int kind, height, width, top, left, high, wide;
};

// A thread makes one pixel of the tile.
template <bool bent>
INLINE void make(const Source& s, const Tile& t) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= t.wide || y >= t.high) return;
    const float down = (float)s.high / t.high, across = (float)s.wide / t.wide;
    const Colour c = down >= 1.0f && across >= 1.0f ? area_mean<bent>(s, y, x, down, across)
                                                    : interpolated<bent>(s, y, x, t.high, t.wide);
    const long long plane = t.kind == PIXELS ? 1 : (long long)t.height * t.width, step = t.kind == PIXELS ? 3 : 1;
    const long long at = step * ((long long)(t.top + y) * t.width + t.left + x);
    put(t.out, t.kind, at, c.r);
    put(t.out, t.kind, at + plane, c.g);
    put(t.out, t.kind, at + 2 * plane, c.b);
}

KERNEL void place(const unsigned char* bytes, int source_height, int source_width, int row_bytes, int encoding,
                  int turned, int from_top, int from_left, int from_high, int from_wide, void* out, int kind,
                  int height, int width, int top, int left, int high, int wide) {
    make<false>(Source{bytes, source_height, source_width, row_bytes, encoding, turned, from_top, from_left, from_high,
                       from_wide, 0, 0},
                Tile{out, kind, height, width, top, left, high, wide});
}

KERNEL void place_straight(const unsigned char* bytes, int source_height, int source_width, int row_bytes, int encoding,
                           int turned, int from_top, int from_left, int from_high, int from_wide,
                           const short* pixels, const unsigned short* shares, void* out, int kind, int height,
                           int width, int top, int left, int high, int wide) {
    make<true>(Source{bytes, source_height, source_width, row_bytes, encoding, turned, from_top, from_left, from_high,
                      from_wide, pixels, shares},
               Tile{out, kind, height, width, top, left, high, wide});
}
