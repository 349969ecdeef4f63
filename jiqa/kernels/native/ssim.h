// Rows of SSIM and of its gradient.
//
// Windowed means are taken of x, y, (x - y)^2 and x y. For equal images the third is exactly zero,
// which makes SSIM exactly 1 however products and sums are contracted.
#pragma once
#include "kernels.h"
#include "rows.h"

namespace {

constexpr int MOMENTS = 4;

// Rows of any type as floats.
template <class T>
void convert_row(const void *from, float *to, long count) {
  const T *row = static_cast<const T *>(from);
  for (long i = 0; i < count; i += LANES)
    store(to + i, load_first(row + i, count - i));
}

// The moments of a group of rows down the columns, from taps + ROWS - 1 rows of both images.
template <int TAPS>
void moment_rows(const float *const *x, const float *const *y, const float *window, long taps,
                 long count, float *moments, long pitch) {
  const long last = count - LANES;
  for (long i = last < 0 ? last : 0;; i = i + LANES < last ? i + LANES : last) {
    Lanes sums[ROWS][MOMENTS] = {};
    correlate_columns<MOMENTS, TAPS>(window, taps, sums, [&](auto row, Lanes *powers) ALWAYS {
      Lanes a = load(x[row] + i), b = load(y[row] + i), difference = a - b;
      powers[0] = a, powers[1] = b, powers[2] = difference * difference, powers[3] = a * b;
    });
    for (int r = 0; r < ROWS; r++)
      for (int m = 0; m < MOMENTS; m++) store(moments + (r * MOMENTS + m) * pitch + i, sums[r][m]);
    if (i == last) break;
  }
}

// Contrast-structure is A2 / B2 and luminance A1 / B1.
struct Terms {
  Lanes mean_difference, excess, a1, b1, a2, b2;

  INLINE Terms(const Statistics &s, const Lanes *moments) {
    Lanes mean_product = moments[0] * moments[1];
    mean_difference = moments[0] - moments[1];
    a1 = 2 * mean_product + s.c1;
    b1 = a1 + mean_difference * mean_difference;
    a2 = 2 * s.scale * (moments[3] - mean_product) + s.c2;
    excess = s.scale * (moments[2] - mean_difference * mean_difference);
    b2 = a2 + excess;
  }
};

// Writes the map of a row where there is one, otherwise adds to the sums.
template <int TAPS, int CHANNELS>
void compare_row(const Statistics &s, const float *moments, long pitch, long count,
                 const float *weights, float *map, Lanes *sums) {
  long channel = 0;
  for (long i = 0; i < count; i += LANES) {
    Lanes means[MOMENTS] = {};
    correlate_row<MOMENTS, TAPS, 0, CHANNELS>(moments + i, pitch, s.window, s.taps, 0, s.channels,
                                              means);
    const Terms terms(s, means);
    Lanes contrast_structure = terms.a2 / terms.b2;
    Lanes ssim = terms.a1 / terms.b1 * contrast_structure;
    const long left = count - i;
    if (map) {
      store_first(map + i, s.luminance ? ssim : contrast_structure, left);
      continue;
    }
    if (weights) {
      const Lanes weight = load_first(weights + i, left);
      ssim *= weight, contrast_structure *= weight;
    }
    sums[2 * channel] += keep_first(ssim, left);
    sums[2 * channel + 1] += keep_first(contrast_structure, left);
    channel = channel + 1 == s.channels ? 0 : channel + 1;
  }
}

// The derivatives with respect to the means: by x (where MAPS is 4), by y, by (x - y)^2 and by x y.
// What vanishes for equal images is computed without cancellation.
template <int MAPS>
INLINE Lanes differentiate(const Statistics &s, const Lanes *means, Lanes *slopes) {
  const Terms terms(s, means);
  const Lanes x = means[0], y = means[1], difference = terms.mean_difference;
  const Lanes per_b2 = 1 / terms.b2, loss = terms.excess * per_b2, slope = 2 * s.scale * per_b2;
  Lanes value = 1 - loss, by_square = -s.scale * per_b2 * value, by_product = slope * loss;
  Lanes by_x = slope * (difference - loss * x), by_y = -slope * (difference + loss * y);
  if (s.luminance) {
    const Lanes per_b1 = 1 / terms.b1, dimming = difference * difference * per_b1;
    const Lanes luminance = 1 - dimming, incline = 2 * value * per_b1;
    by_x = luminance * by_x + incline * (y * dimming - difference * luminance);
    by_y = luminance * by_y + incline * (x * dimming + difference * luminance);
    by_square *= luminance, by_product *= luminance, value *= luminance;
  }
  if (MAPS == 4) *slopes++ = by_x;
  slopes[0] = by_y, slopes[1] = by_square, slopes[2] = by_product;
  return value;
}

// Adds up the values from `counted` on, where there are sums to add to.
template <int TAPS, int CHANNELS, int MAPS>
void differentiate_row(const Statistics &s, const float *moments, long pitch, long count,
                       const float *weights, float *slopes, long counted, Lanes *sums) {
  long channel = 0;
  for (long i = 0; i < count; i += LANES) {
    Lanes means[MOMENTS] = {};
    correlate_row<MOMENTS, TAPS, 0, CHANNELS>(moments + i, pitch, s.window, s.taps, 0, s.channels,
                                              means);
    Lanes results[MAPS + 1];
    results[MAPS] = differentiate<MAPS>(s, means, results);
    const long left = count - i;
    if (weights) {
      const Lanes weight = load_first(weights + i, left);
      for (Lanes &result : results) result *= weight;
    }
    for (Lanes &result : results) result = keep_first(result, left);
    for (int map = 0; map < MAPS; map++) store(slopes + map * pitch + i, results[map]);
    if (!sums || i < counted) continue;
    sums[2 * channel] += results[MAPS];
    channel = channel + 1 == s.channels ? 0 : channel + 1;
  }
}

// Spreads slopes along a row over the windows that they belong to. The slopes begin as much before
// the columns as a window reaches, rounded up to whole vectors.
template <int TAPS, int CHANNELS, int MAPS>
void spread_row(const Statistics &s, const float *slopes, float *spread, long pitch, long count) {
  constexpr int HALO = (TAPS - 1) * CHANNELS, START = round_up(HALO, LANES) - HALO;
  const long start = round_up(s.halo(), LANES) - s.halo();
  for (long i = 0; i < count; i += LANES) {
    Lanes sums[MAPS] = {};
    correlate_row<MAPS, TAPS, START, CHANNELS>(slopes + i, pitch, s.reversed_window, s.taps, start,
                                               s.channels, sums);
    for (int map = 0; map < MAPS; map++) store(spread + map * pitch + i, sums[map]);
  }
}

// Spreads rows of spread slopes down the columns and weighs them to the gradients of a group.
template <int TAPS, int MAPS>
void gather_rows(const Statistics &s, const float *const *slopes, long pitch,
                 const float *const *x_rows, const float *const *y_rows, long column, float *by_x,
                 float *by_y, long height, long count) {
  for (long i = 0; i < count; i += LANES) {
    Lanes sums[ROWS][MAPS] = {};
    const auto read = [&](auto row, Lanes *maps) ALWAYS {
      for (int map = 0; map < MAPS; map++) maps[map] = load(slopes[row] + map * pitch + i);
    };
    correlate_columns<MAPS, TAPS>(s.reversed_window, s.taps, sums, read);
    const long left = count - i;
    for (int r = 0; r < ROWS && r < height; r++) {
      const long at = r * s.width + i;
      const float *x_at = x_rows[r] + column + i, *y_at = y_rows[r] + column + i;
      const Lanes x = load_first(x_at, left), y = load_first(y_at, left);
      const Lanes *slope = sums[r] + (MAPS - 3), by_product = slope[2];
      const Lanes by_difference = 2 * (x - y) * slope[1];
      const Lanes to_y = slope[0] - by_difference + x * by_product;
      store_first(by_y + at, to_y, left);
      if (MAPS == 3) continue;
      const Lanes to_x = sums[r][0] + by_difference + y * by_product;
      store_first(by_x + at, to_x, left);
    }
  }
}

}  // namespace
