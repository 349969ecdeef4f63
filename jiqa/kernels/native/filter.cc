// The separable correlation and its adjoint, for the instruction set this file is compiled for.
#include "filter.h"

namespace {

struct Rows {  // where everything lies in a thread's scratch, in floats from its start
  long pitch, read, padded, zeros, picked, pointers, end;

  explicit Rows(const Filter &f) {
    const long across = (f.across_taps - 1) * f.channels;
    const long padded_width = f.left * f.channels + f.from_width * f.spread + across;
    const long width = padded_width > f.to_width * f.step ? padded_width : f.to_width * f.step;
    pitch = round_up(width + 3 * LANES, 2 * LANES) + LANES;
    read = 0;
    padded = read + (f.spread > 1 ? ROWS * pitch : 0);
    zeros = padded + ROWS * pitch;
    picked = zeros + pitch;
    pointers = picked + (f.step > 1 ? pitch : 0);
    end = round_up(pointers + (f.down_taps + ROWS) * sizeof(void *) / sizeof(float), LANES);
  }
};

long groups(const Filter &f) { return (f.to_height + ROWS - 1) / ROWS; }

long scratch_floats(const Filter &f) { return Rows(f).end; }

// Rows of windows down the columns, from the first of the group's rows on, into `to`.
void filter_down(const Filter &f, const Rows &at, long image, long first, float *scratch,
                 float *to) {
  const float **rows = reinterpret_cast<const float **>(scratch + at.pointers);
  const auto filter = f.down_taps == 11 ? filter_columns<11> : filter_columns<0>;
  const auto point = [&](long i, long row) {  // to a row of the padded image
    row -= f.top;
    const bool inside = row >= 0 && row % f.spread == 0 && row / f.spread < f.from_height;
    rows[i] = inside ? f.from + (image * f.from_height + row / f.spread) * f.from_width
                     : scratch + at.zeros;
  };
  if (f.step == 1 && f.from_width >= LANES) {
    for (long i = 0; i < f.down_taps + ROWS - 1; i++) point(i, first + i);
    return filter(rows, f.down, f.down_taps, f.from_width, to, at.pitch);
  }
  for (long r = 0; r < ROWS && first + r < f.to_height; r++) {
    for (long i = 0; i < f.down_taps; i++) point(i, (first + r) * f.step + i);
    for (long i = 0; i < f.from_width; i += LANES) {
      Lanes sum = {};
      for (long tap = 0; tap < f.down_taps; tap++)
        sum += f.down[tap] * load_first(rows[tap] + i, f.from_width - i);
      store(to + r * at.pitch + i, sum);
    }
  }
}

void filter(const Filter &f, long image, long begin_group, long end_group, float *scratch) {
  const Rows at(f);
  const auto filter_across = f.across_taps != 11 ? filter_row<0, 0>
                             : f.channels == 1   ? filter_row<11, 1>
                             : f.channels == 3   ? filter_row<11, 3>
                                                 : filter_row<0, 0>;
  memset(scratch, 0, at.pointers * sizeof(float));
  for (long group = begin_group; group < end_group; group++) {
    const long margin = f.left * f.channels;
    float *const padded = scratch + at.padded, *const picked = scratch + at.picked;
    float *const inside = f.spread > 1 ? scratch + at.read : padded + margin;
    filter_down(f, at, image, group * ROWS, scratch, inside);
    for (long r = 0; r < ROWS && group * ROWS + r < f.to_height; r++) {
      float *const row = padded + r * at.pitch;
      if (f.spread > 1)
        copy_pixels(inside + r * at.pitch, 1, row + margin, f.spread, f.from_width / f.channels,
                    f.channels);
      float *const to = f.to + (image * f.to_height + group * ROWS + r) * f.to_width;
      if (f.step == 1) {
        filter_across(row, f.across, f.across_taps, f.channels, f.to_width, to);
        continue;
      }
      const long pixels = f.to_width / f.channels;
      filter_across(row, f.across, f.across_taps, f.channels,
                    ((pixels - 1) * f.step + 1) * f.channels, picked);
      copy_pixels(picked, f.step, to, 1, pixels, f.channels);
    }
  }
}

}  // namespace

extern const FilterKernels FILTER_KERNELS;  // of which there is one an instruction set
const FilterKernels FILTER_KERNELS = {groups, scratch_floats, filter};
