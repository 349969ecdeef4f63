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
// Rounding is half as coarse as with the usual 1 and 2.
constexpr double POINTS[TILE - 1] = {0, 0.6875, -0.6875, 1.375, -1.375};  // the last is infinity
constexpr int MOST_ROWS = 12;       // of a product, held in registers
constexpr long SHARE_OUTPUTS = 32;  // of a task
constexpr long SHARE_TILES = 96;    // of a task
constexpr long DEPTH = 64;          // channels whose kernels stay in cache

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

template <int ROWS, int COLUMNS>
constexpr Matrix<COLUMNS, ROWS> transposed(const Matrix<ROWS, COLUMNS> &from) {
  Matrix<COLUMNS, ROWS> m = {};
  for (int i = 0; i < COLUMNS; i++)
    for (int j = 0; j < ROWS; j++) m.at[i][j] = from.at[j][i];
  return m;
}

constexpr auto FROM_TILE = of_tile();
template <int TAPS>
constexpr auto FROM_KERNEL = of_kernel<TAPS>();
template <int TAPS>
constexpr auto TO_RESULT = of_result<TAPS>();
template <int TAPS>
constexpr auto TO_KERNEL = transposed(of_kernel<TAPS>());
template <int TAPS>
constexpr auto FROM_RESULT = transposed(of_result<TAPS>());

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

// Of squares of SIDE pixels, STEP apart, the values in the points: to [VALUES, block, channels].
template <const auto &MATRIX, int SIDE, long STEP>
void transform_squares(const Convolution &c, const Map &given, long first, long begin, long end,
                       float *to, long block) {
  const Map map = given;
  for (long tile = begin; tile < end; tile++) {
    const Place place = c.place(first + tile);
    const long top = place.down * STEP - map.top, left = place.across * STEP - map.left;
    const float *image = map.pixels + place.image * map.height * map.width * map.channels;
    const float *pixels[SIDE][SIDE];
    for (long i = 0; i < SIDE; i++)
      for (long j = 0; j < SIDE; j++) {
        const long row = top + i, column = left + j;
        const bool inside = row >= 0 && row < map.height && column >= 0 && column < map.width;
        pixels[i][j] = inside ? image + (row * map.width + column) * map.channels : nullptr;
      }
    for (long channel = 0; channel < map.channels; channel += LANES) {
      float *own = to + tile * map.channels + channel;
      transform<MATRIX, TILE, SIDE>(
          [&](int i, int j) ALWAYS {
            return pixels[i][j] ? load(pixels[i][j] + channel) : Lanes{};
          },
          [&](int i, int j, Lanes value) ALWAYS {
            store(own + (TILE * i + j) * block * map.channels, value);
          });
    }
  }
}

// The values of some kernels in the points: to [VALUES, depth, LANES].
template <int TAPS>
void transform_kernels(const Convolution &c, long channel, long depth, long output, float *to) {
  const long channels = c.from.channels, outputs = c.to.channels;
  for (long k = 0; k < depth; k++) {
    const float *taps = c.kernel + (channel + k) * outputs + output;
    transform<FROM_KERNEL<TAPS>, TILE, TAPS>(
        [&](int i, int j) ALWAYS { return load(taps + (TAPS * i + j) * channels * outputs); },
        [&](int i, int j, Lanes value) ALWAYS {
          store(to + ((TILE * i + j) * depth + k) * LANES, value);
        });
  }
}

// Numbers [rows, depth] that lie so far apart.
struct Numbers {
  const float *at;
  long down, along;
};

// Adds to sums [ROWS, LANES] the product of numbers [ROWS, depth] and others [depth, LANES].
template <int ROWS>
void add_product(const Numbers numbers, const float *others, long depth, float *sums) {
  Lanes sum[ROWS];
  for (int r = 0; r < ROWS; r++) sum[r] = load(sums + r * LANES);
  for (long k = 0; k < depth; k++) {
    const Lanes other = load(others + k * LANES);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++)
      sum[r] += numbers.at[r * numbers.down + k * numbers.along] * other;
  }
  for (int r = 0; r < ROWS; r++) store(sums + r * LANES, sum[r]);
}

template <int ROWS = MOST_ROWS>
void add_few(long rows, const Numbers &numbers, const float *others, long depth, float *sums) {
  if (rows == ROWS) return add_product<ROWS>(numbers, others, depth, sums);
  if constexpr (ROWS > 1) add_few<ROWS - 1>(rows, numbers, others, depth, sums);
}

// The same for any number of rows, in groups that fit into registers.
void add_products(long rows, Numbers numbers, const float *others, long depth, float *sums) {
  const long groups = (rows - 1) / MOST_ROWS + 1;
  for (long group = 0; group < groups; group++) {
    const long row = rows * group / groups, few = rows * (group + 1) / groups - row;
    const Numbers own = {numbers.at + row * numbers.down, numbers.down, numbers.along};
    add_few(few, own, others, depth, sums + row * LANES);
  }
}

// LANES outputs of some tiles, from the values of the block's tiles.
template <int TAPS>
void convolve(const Convolution &given, const float *values, long block, long first, long begin,
              long end, long output, float *scratch) {
  const Convolution c = given;
  const long tiles = end - begin, channels = c.from.channels, outputs = c.to.channels;
  float *const sums = scratch, *const kernels = scratch + VALUES * SHARE_TILES * LANES;
  std::fill(sums, sums + VALUES * tiles * LANES, 0.0f);
  for (long channel = 0; channel < channels; channel += DEPTH) {
    const long depth = std::min(DEPTH, channels - channel);
    transform_kernels<TAPS>(c, channel, depth, output, kernels);
    for (long point = 0; point < VALUES; point++) {
      const float *own = values + (point * block + begin) * channels + channel;
      add_products(tiles, {own, channels, 1}, kernels + point * depth * LANES, depth,
                   sums + point * tiles * LANES);
    }
  }
  constexpr long SPAN = TILE - TAPS + 1;
  for (long tile = 0; tile < tiles; tile++) {
    const Place place = c.place(first + begin + tile);
    const long top = place.down * SPAN, left = place.across * SPAN;
    float *image = c.result + place.image * c.to.height * c.to.width * outputs;
    transform<TO_RESULT<TAPS>, SPAN, TILE>(
        [&](int i, int j) ALWAYS { return load(sums + ((TILE * i + j) * tiles + tile) * LANES); },
        [&](int i, int j, Lanes value) ALWAYS {
          if (top + i < c.to.height && left + j < c.to.width)
            store(image + ((top + i) * c.to.width + left + j) * outputs + output, value);
        });
  }
}

// The derivative by a kernel, from its values in the points [VALUES, outputs / LANES, channels,
// LANES], for some channels.
template <int TAPS>
void differentiate(const Convolution &given, const float *sums, long begin, long end) {
  const Convolution c = given;
  const long channels = c.from.channels, outputs = c.to.channels;
  for (long channel = begin; channel < end; channel++)
    for (long output = 0; output < outputs; output += LANES) {
      const float *own = sums + output * channels + channel * LANES;
      float *taps = c.result + channel * outputs + output;
      transform<TO_KERNEL<TAPS>, TAPS, TILE>(
          [&](int i, int j) ALWAYS { return load(own + (TILE * i + j) * outputs * channels); },
          [&](int i, int j, Lanes value) ALWAYS {
            store(taps + (TAPS * i + j) * channels * outputs, value);
          });
    }
}

// What the table holds, for kernels of both sizes.

void transform_maps(const Convolution &c, long first, long begin, long end, float *to, long block) {
  const auto run = c.taps == 3 ? transform_squares<FROM_TILE, TILE, 4>
                               : transform_squares<FROM_TILE, TILE, 2>;
  run(c, c.from, first, begin, end, to, block);
}

void transform_slopes(const Convolution &c, long first, long begin, long end, float *to,
                      long block) {
  const auto run = c.taps == 3 ? transform_squares<FROM_RESULT<3>, 4, 4>
                               : transform_squares<FROM_RESULT<5>, 2, 2>;
  run(c, c.to, first, begin, end, to, block);
}

void convolve_share(const Convolution &c, const float *values, long block, long first, long begin,
                    long end, long output, float *scratch) {
  const auto run = c.taps == 3 ? convolve<3> : convolve<5>;
  const long last = std::min(output + SHARE_OUTPUTS, c.to.channels);
  for (long o = output; o < last; o += LANES)
    run(c, values, block, first, begin, end, o, scratch);
}

void correlate_share(const Convolution &c, const float *values, const float *slopes, long block,
                     long tiles, long point, long output, float *sums, float *scratch) {
  const long channels = c.from.channels, outputs = c.to.channels;
  const long last = std::min(output + SHARE_OUTPUTS, outputs);
  for (long o = output; o < last; o += LANES) {
    for (long tile = 0; tile < tiles; tile++) {
      const float *own = slopes + (point * block + tile) * outputs + o;
      std::copy(own, own + LANES, scratch + tile * LANES);
    }
    add_products(channels, {values + point * block * channels, 1, channels}, scratch, tiles,
                 sums + (point * outputs + o) * channels);
  }
}

void differentiate_kernels(const Convolution &c, const float *sums, long begin, long end) {
  (c.taps == 3 ? differentiate<3> : differentiate<5>)(c, sums, begin, end);
}

}  // namespace

extern const WinogradKernels WINOGRAD_KERNELS;  // of which there is one an instruction set
const WinogradKernels WINOGRAD_KERNELS = {
    VALUES,         SHARE_TILES,
    SHARE_OUTPUTS,  VALUES * (SHARE_TILES + DEPTH) * LANES,
    transform_maps, transform_slopes,
    convolve_share, correlate_share,
    differentiate_kernels};
