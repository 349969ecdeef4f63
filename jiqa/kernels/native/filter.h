// A separable filter of whole rows.
#pragma once
#include "kernels.h"
#include "rows.h"

namespace {

// A group of rows of windows down the columns; each of its rows follows the one before in `rows`.
template <int TAPS>
void filter_columns(const float *const *rows, const float *window, long taps, long count,
                    float *filtered, long pitch) {
  const long last = count - LANES;
  for (long i = 0;; i = i + LANES < last ? i + LANES : last) {
    Lanes sums[ROWS][1] = {};
    correlate_columns<1, TAPS>(window, taps, sums, [&](auto row, Lanes *maps) ALWAYS {
      maps[0] = load(rows[row] + i);
    });
    for (int r = 0; r < ROWS; r++) store(filtered + r * pitch + i, sums[r][0]);
    if (i == last) break;
  }
}

template <int TAPS, int CHANNELS>
void filter_row(const float *row, const float *window, long taps, long channels, long count,
                float *to) {
  for (long i = 0; i < count; i += LANES) {
    Lanes sums[1] = {};
    correlate_row<1, TAPS, 0, CHANNELS>(row + i, 0, window, taps, 0, channels, sums);
    store_first(to + i, sums[0], count - i);
  }
}

// Pixels of `channels` values, `from_step` and `to_step` pixels apart.
inline void copy_pixels(const float *from, long from_step, float *to, long to_step, long pixels,
                        long channels) {
  for (long pixel = 0; pixel < pixels; pixel++)
    for (long channel = 0; channel < channels; channel++)
      to[pixel * to_step * channels + channel] = from[pixel * from_step * channels + channel];
}

}  // namespace
