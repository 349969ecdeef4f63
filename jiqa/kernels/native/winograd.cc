// Convolution by Winograd's minimal filtering, for the instruction set this file is compiled for.
//
// A tile of 6 x 6 pixels and a kernel of 3 x 3 (or 5 x 5) are polynomials; their values at the same
// points are multiplied, for all channels at once by matrix products, and 4 x 4 (or 2 x 2) results
// are read off: 36 products in place of 144 (or 100).
#include <algorithm>

#include "kernels.h"
#include "lanes.h"

namespace {

constexpr int TILE = 6, VALUES = TILE * TILE;
// Two pairs near 1 keep rounding three times closer than the usual 1 and 2.
constexpr double POINTS[TILE - 1] = {0, 0.6875, -0.6875, 1.375, -1.375};  // the last is infinity
constexpr int OUTPUTS = 2 * LANES;   // of a product, held in registers
constexpr long SHARE_OUTPUTS = 32;   // of a task
constexpr long SHARE_TILES = 96;     // of a task
constexpr long DEPTH = 64;           // channels whose kernels stay in cache
#if defined(__AVX512F__)
constexpr int MOST_ROWS = 12;
#elif defined(__AVX2__)
constexpr int MOST_ROWS = 6;
#else
constexpr int MOST_ROWS = 4;
#endif

template <int ROWS, int COLUMNS>
struct Matrix {
  double at[ROWS][COLUMNS];
};

constexpr double power(double x, int exponent) { return exponent ? x * power(x, exponent - 1) : 1; }

// Of a row of pixels: coefficients of the polynomial that is zero in every point but one.
constexpr Matrix<TILE, TILE> of_tile() {
  Matrix<TILE, TILE> m = {};
  for (int i = 0; i < TILE; i++) {
    m.at[i][0] = 1;
    int degree = 0;
    for (int j = 0; j < TILE - 1; j++) {
      if (j == i) continue;
      degree++;
      for (int k = degree; k > 0; k--) m.at[i][k] = m.at[i][k - 1] - POINTS[j] * m.at[i][k];
      m.at[i][0] *= -POINTS[j];
    }
  }
  return m;
}

// Of a row of taps: the values of their polynomial in the points, over those of the one above.
template <int TAPS>
constexpr Matrix<TILE, TAPS> of_kernel() {
  Matrix<TILE, TAPS> m = {};
  for (int i = 0; i < TILE - 1; i++) {
    double value = 1;
    for (int j = 0; j < TILE - 1; j++) value *= j == i ? 1 : POINTS[i] - POINTS[j];
    for (int k = 0; k < TAPS; k++) m.at[i][k] = power(POINTS[i], k) / value;
  }
  m.at[TILE - 1][TAPS - 1] = 1;
  return m;
}

// From the products in the points to the results.
template <int TAPS>
constexpr Matrix<TILE - TAPS + 1, TILE> of_result() {
  Matrix<TILE - TAPS + 1, TILE> m = {};
  for (int k = 0; k <= TILE - TAPS; k++)
    for (int i = 0; i < TILE - 1; i++) m.at[k][i] = power(POINTS[i], k);
  m.at[TILE - TAPS][TILE - 1] = 1;
  return m;
}

constexpr auto FROM_TILE = of_tile();
template <int TAPS>
constexpr auto FROM_KERNEL = of_kernel<TAPS>();
template <int TAPS>
constexpr auto TO_RESULT = of_result<TAPS>();

// put(i, sum over j of MATRIX[i][j] get(j))
template <const auto &MATRIX, int ROWS, int COLUMNS, class Get, class Put>
INLINE void multiply(const Get &get, const Put &put) {
  Lanes given[COLUMNS];
  repeat<0, COLUMNS>([&](auto j) ALWAYS { given[j] = get(j); });
  repeat<0, ROWS>([&](auto i) ALWAYS {
    Lanes sum = {};
    repeat<0, COLUMNS>([&](auto j) ALWAYS {
      constexpr float factor = MATRIX.at[i][j];
      if constexpr (factor == 1)
        sum += given[j];
      else if constexpr (factor != 0)
        sum += factor * given[j];
    });
    put(i, sum);
  });
}

// put(i, j, .) of MATRIX get(., .) MATRIX'
template <const auto &MATRIX, int ROWS, int COLUMNS, class Get, class Put>
INLINE void transform(const Get &get, const Put &put) {
  Lanes half[ROWS][COLUMNS];
  for (int j = 0; j < COLUMNS; j++)
    multiply<MATRIX, ROWS, COLUMNS>([&](int i) ALWAYS { return get(i, j); },
                                    [&](int i, Lanes sum) ALWAYS { half[i][j] = sum; });
  for (int i = 0; i < ROWS; i++)
    multiply<MATRIX, ROWS, COLUMNS>([&](int j) ALWAYS { return half[i][j]; },
                                    [&](int j, Lanes sum) ALWAYS { put(i, j, sum); });
}

// The values of some tiles in the points: to [VALUES, tiles of the block, channels].
template <int TAPS>
void transform_tiles(const Convolution &given, long first, long begin, long end, float *to,
                     long block) {
  const Convolution c = given;
  constexpr long SPAN = TILE - TAPS + 1;
  for (long tile = begin; tile < end; tile++) {
    const long across = (first + tile) % c.tiles_across, rest = (first + tile) / c.tiles_across;
    const long top = rest % c.tiles_down * SPAN - c.top, left = across * SPAN - c.left;
    const float *image = c.from + rest / c.tiles_down * c.height * c.width * c.channels;
    const float *pixels[TILE][TILE];
    for (long i = 0; i < TILE; i++)
      for (long j = 0; j < TILE; j++) {
        const long row = top + i, column = left + j;
        const bool inside = row >= 0 && row < c.height && column >= 0 && column < c.width;
        pixels[i][j] = inside ? image + (row * c.width + column) * c.channels : nullptr;
      }
    for (long channel = 0; channel < c.channels; channel += LANES) {
      float *own = to + tile * c.channels + channel;
      transform<FROM_TILE, TILE, TILE>(
          [&](int i, int j) ALWAYS {
            return pixels[i][j] ? load(pixels[i][j] + channel) : Lanes{};
          },
          [&](int i, int j, Lanes value) ALWAYS {
            store(own + (TILE * i + j) * block * c.channels, value);
          });
    }
  }
}

// The values of some kernels in the points: to [VALUES, channels, OUTPUTS].
template <int TAPS>
void transform_kernels(const Convolution &c, long channel, long depth, long output, float *to) {
  for (long k = 0; k < depth; k++)
    for (long o = 0; o < OUTPUTS; o += LANES) {
      const float *taps = c.kernel + (channel + k) * c.outputs + output + o;
      transform<FROM_KERNEL<TAPS>, TILE, TAPS>(
          [&](int i, int j) ALWAYS {
            return load(taps + (TAPS * i + j) * c.channels * c.outputs);
          },
          [&](int i, int j, Lanes value) ALWAYS {
            store(to + ((TILE * i + j) * depth + k) * OUTPUTS + o, value);
          });
    }
}

// Adds to sums [ROWS, OUTPUTS] the product of values [ROWS, depth] and kernels [depth, OUTPUTS].
template <int ROWS>
void add_product(const float *values, long channels, const float *kernels, long depth,
                 float *sums) {
  Lanes sum[ROWS][2];
  for (int r = 0; r < ROWS; r++)
    for (int h = 0; h < 2; h++) sum[r][h] = load(sums + r * OUTPUTS + h * LANES);
  for (long k = 0; k < depth; k++) {
    const Lanes low = load(kernels + k * OUTPUTS), high = load(kernels + k * OUTPUTS + LANES);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
      const float value = values[r * channels + k];
      sum[r][0] += value * low;
      sum[r][1] += value * high;
    }
  }
  for (int r = 0; r < ROWS; r++)
    for (int h = 0; h < 2; h++) store(sums + r * OUTPUTS + h * LANES, sum[r][h]);
}

template <int ROWS = MOST_ROWS>
void add_products(long rows, const float *values, long channels, const float *kernels, long depth,
                  float *sums) {
  if (rows == ROWS) return add_product<ROWS>(values, channels, kernels, depth, sums);
  if constexpr (ROWS > 1) add_products<ROWS - 1>(rows, values, channels, kernels, depth, sums);
}

// Some outputs of some tiles, from the values of the block's tiles.
template <int TAPS>
void convolve(const Convolution &given, const float *values, long block, long first, long begin,
              long end, long output, float *scratch) {
  const Convolution c = given;
  constexpr long SPAN = TILE - TAPS + 1;
  const long tiles = end - begin, groups = (tiles - 1) / MOST_ROWS + 1;
  float *const sums = scratch, *const kernels = scratch + VALUES * SHARE_TILES * OUTPUTS;
  std::fill(sums, sums + VALUES * tiles * OUTPUTS, 0.0f);
  for (long channel = 0; channel < c.channels; channel += DEPTH) {
    const long depth = std::min(DEPTH, c.channels - channel);
    transform_kernels<TAPS>(c, channel, depth, output, kernels);
    for (long point = 0; point < VALUES; point++)
      for (long group = 0; group < groups; group++) {
        const long row = tiles * group / groups, rows = tiles * (group + 1) / groups - row;
        add_products(rows, values + (point * block + begin + row) * c.channels + channel,
                     c.channels, kernels + point * depth * OUTPUTS, depth,
                     sums + (point * tiles + row) * OUTPUTS);
      }
  }
  for (long tile = 0; tile < tiles; tile++) {
    const long place = first + begin + tile, rest = place / c.tiles_across;
    const long top = rest % c.tiles_down * SPAN, left = place % c.tiles_across * SPAN;
    float *image = c.to + rest / c.tiles_down * c.to_height * c.to_width * c.outputs;
    for (long o = 0; o < OUTPUTS; o += LANES)
      transform<TO_RESULT<TAPS>, SPAN, TILE>(
          [&](int i, int j) ALWAYS {
            return load(sums + ((TILE * i + j) * tiles + tile) * OUTPUTS + o);
          },
          [&](int i, int j, Lanes value) ALWAYS {
            if (top + i < c.to_height && left + j < c.to_width)
              store(image + ((top + i) * c.to_width + left + j) * c.outputs + output + o, value);
          });
  }
}

void transform_any(const Convolution &c, long first, long begin, long end, float *to, long block) {
  (c.taps == 3 ? transform_tiles<3> : transform_tiles<5>)(c, first, begin, end, to, block);
}

void convolve_any(const Convolution &c, const float *values, long block, long first, long begin,
                  long end, long output, float *scratch) {
  const auto run = c.taps == 3 ? convolve<3> : convolve<5>;
  for (long o = 0; o < SHARE_OUTPUTS; o += OUTPUTS)
    run(c, values, block, first, begin, end, output + o, scratch);
}

}  // namespace

extern const WinogradKernels WINOGRAD_KERNELS;  // of which there is one an instruction set
const WinogradKernels WINOGRAD_KERNELS = {
    VALUES, SHARE_TILES, SHARE_OUTPUTS, VALUES * (SHARE_TILES + DEPTH) * OUTPUTS, transform_any,
    convolve_any};
