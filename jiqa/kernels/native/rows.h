// Windows down the columns and along the rows: what every windowed kernel is made of.
#pragma once
#include "lanes.h"

namespace {

#if defined(__AVX512F__) || defined(__aarch64__)  // 32 registers
constexpr int ROWS = 4;
#else
constexpr int ROWS = 2;
#endif

constexpr long round_up(long number, long unit) { return (number + unit - 1) / unit * unit; }

// A group of rows of windows down the columns of each map: row r is the sum of window[tap] times
// the map's row r + tap. `read(row)` reads a vector of all maps in a row.
template <int MAPS, int TAPS, class Read>
INLINE void correlate_columns(const float *window, long taps, Lanes (&sums)[ROWS][MAPS],
                              const Read &read) {
  if (TAPS) taps = TAPS;
  repeat<TAPS ? TAPS + ROWS - 1 : 0>(taps + ROWS - 1, [&](auto row) ALWAYS {
    Lanes maps[MAPS];
    read(row, maps);
    repeat<0, ROWS>([&](auto r) ALWAYS {
      const long tap = row - r;
      if (tap < 0 || tap >= taps) return;
      for (int map = 0; map < MAPS; map++) sums[r][map] += window[tap] * maps[map];
    });
  });
}

// Windows along a row of each map, `pitch` floats apart: the sum of window[tap] times the row from
// START + tap * STEP on. Where TAPS is 0, what is known only now is used: `taps`, `start`, `step`.
template <int MAPS, int TAPS, int START, int STEP>
INLINE void correlate_row(const float *row, long pitch, const float *window, long taps, long start,
                          long step, Lanes (&sums)[MAPS]) {
  repeat<TAPS>(taps, [&](auto tap) ALWAYS {
    for (int map = 0; map < MAPS; map++) {
      const float *from = row + map * pitch;
      if constexpr (TAPS > 0) {
        sums[map] += window[tap] * load_shifted<START + decltype(tap){} * STEP>(from);
      } else {
        sums[map] += window[tap] * load(from + start + tap * step);
      }
    }
  });
}

}  // namespace
