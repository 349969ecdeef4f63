// Sums and maps of SSIM and its gradient, for the instruction set this file is compiled for.
#include "ssim.h"

namespace {

// A block has about so many columns: the more, the better they stream from memory; the fewer, the
// less scratch for a small image.
constexpr long FEWEST_COLUMNS = 480, MOST_COLUMNS = 2000;
constexpr long VALUES_FOR_A_COLUMN = 2048;

// Where everything lies in a thread's scratch, in floats from its start.
struct Layout {
  long margin, pitch, depth, maps;  // every row is `pitch` long
  long moments, images, slopes, ring, sums, rows, end;

  Layout(const Statistics &s, long block_width) {
    depth = s.taps - 1 + ROWS;
    margin = s.by_y ? round_up(s.halo(), LANES) : 0;
    maps = !s.by_y ? 0 : s.by_x ? 4 : 3;
    // As long as the last vectors along a row reach, and an odd number of vectors, so that equal
    // columns of many rows do not compete for the same places of the cache.
    pitch = round_up(margin + block_width + s.halo() + 3 * LANES, 2 * LANES) + LANES;
    moments = LANES;  // a block narrower than a vector writes to the left of itself
    images = moments + ROWS * MOMENTS * pitch;
    slopes = images + (s.type == FLOAT32 ? 0 : 2 * depth * pitch);
    ring = slopes + maps * pitch;
    sums = ring + depth * maps * pitch;
    rows = sums + 2 * s.channels * LANES;
    end = round_up(rows + 3 * depth * sizeof(void *) / sizeof(float), LANES);
  }
};

// The functions for a window.
struct Steps {
  decltype(&moment_rows<0>) moments;
  decltype(&compare_row<0, 0>) compare;
  decltype(&differentiate_row<0, 0, 3>) differentiate;
  decltype(&spread_row<0, 0, 3>) spread;
  decltype(&gather_rows<0, 3>) gather;
};

template <int TAPS, int CHANNELS>
Steps choose_maps(const Statistics &s) {
  if (s.by_x)
    return {moment_rows<TAPS>, compare_row<TAPS, CHANNELS>, differentiate_row<TAPS, CHANNELS, 4>,
            spread_row<TAPS, CHANNELS, 4>, gather_rows<TAPS, 4>};
  return {moment_rows<TAPS>, compare_row<TAPS, CHANNELS>, differentiate_row<TAPS, CHANNELS, 3>,
          spread_row<TAPS, CHANNELS, 3>, gather_rows<TAPS, 3>};
}

Steps choose_steps(const Statistics &s) {
  if (s.taps == 11 && s.channels == 1) return choose_maps<11, 1>(s);
  if (s.taps == 11 && s.channels == 3) return choose_maps<11, 3>(s);
  return choose_maps<0, 0>(s);
}

struct Conversion {
  decltype(&convert_row<float>) row;
  long bytes;
};

Conversion choose_conversion(Type type) {
  switch (type) {
    case BFLOAT16: return {convert_row<bfloat16>, 2};
    case FLOAT16: return {convert_row<float16>, 2};
    case UINT8: return {convert_row<uint8_t>, 1};
    case UINT16: return {convert_row<uint16_t>, 2};
    default: return {nullptr, 4};
  }
}

Cut cut(const Statistics &s) {
  const long columns = s.by_y ? s.width : s.positions_across();
  const long rows = s.by_y ? s.height : s.positions_down();
  const long unit = LANES * s.channels;  // every block begins with the first channel
  long most = s.height * s.width / VALUES_FOR_A_COLUMN;
  most = most < FEWEST_COLUMNS ? FEWEST_COLUMNS : most > MOST_COLUMNS ? MOST_COLUMNS : most;
  const long parts = (columns + most - 1) / most;
  const long width = round_up((columns + parts - 1) / parts, unit);
  return {(columns + width - 1) / width, width, (rows + ROWS - 1) / ROWS, Layout(s, width).end};
}

// A thread's work on a task.
struct Worker {
  const Statistics &s;
  const Cut &cut;
  const Task &task;
  float *const scratch;
  const Layout at;
  const Steps steps;
  const Conversion conversion;
  Lanes *const sums;
  const float **const x_rows, **const y_rows, **const slope_rows;

  Worker(const Statistics &s, const Cut &cut, const Task &task, float *scratch)
      : s(s), cut(cut), task(task), scratch(scratch), at(s, cut.block_width),
        steps(choose_steps(s)), conversion(choose_conversion(s.type)),
        sums(reinterpret_cast<Lanes *>(scratch + at.sums)),
        x_rows(reinterpret_cast<const float **>(scratch + at.rows)), y_rows(x_rows + at.depth),
        slope_rows(y_rows + at.depth) {
    memset(scratch + at.slopes, 0, (at.rows - at.slopes) * sizeof(float));
  }

  // Some columns of a row, as they are if they are floats, otherwise converted and kept until
  // `depth` rows further down.
  const float *read_row(const void *images, long row, long column, long count, bool anew,
                        long place) {
    const long index = (task.image * s.height + row) * s.width + column;
    const void *from = static_cast<const char *>(images) + index * conversion.bytes;
    if (!conversion.row) return static_cast<const float *>(from);
    float *kept = scratch + at.images + (row % at.depth + place) * at.pitch;
    if (anew) conversion.row(from, kept, count);
    return kept;
  }

  // All rows that the windows of a group reach, some of which the group before has read, and the
  // moments down their columns.
  void find_moments(long group, bool first, long left, long count) {
    for (long i = 0; i < at.depth; i++) {
      const long below = group * ROWS + i, row = below < s.height ? below : s.height - 1;
      const bool anew = row == below && (first || i >= at.depth - ROWS);
      x_rows[i] = read_row(s.x, row, left, count + s.halo(), anew, 0);
      y_rows[i] = read_row(s.y, row, left, count + s.halo(), anew, at.depth);
    }
    if (group * ROWS >= s.positions_down()) return;
    steps.moments(x_rows, y_rows, s.window, s.taps, count + s.halo(), moments(0), at.pitch);
  }

  float *moments(long r) { return scratch + at.moments + r * MOMENTS * at.pitch; }

  long place(long row, long column) {  // of a window in maps and weights
    return (task.image * s.positions_down() + row) * s.positions_across() + column;
  }

  void write_sums(long group) {
    const long part = (task.image * cut.groups + group) * cut.blocks + task.block;
    double *const to = s.sums + part * 2 * s.channels;
    for (long channel = 0; channel < s.channels; channel++)
      for (int lane = 0; lane < LANES; lane++)
        for (int which = 0; which < 2; which++)
          to[which * s.channels + (channel * LANES + lane) % s.channels] +=
              sums[2 * channel + which][lane];
    memset(sums, 0, 2 * s.channels * sizeof(Lanes));
  }

  void compare() {
    const long left = task.block * cut.block_width, right = s.positions_across();
    const long count = left + cut.block_width < right ? cut.block_width : right - left;
    for (long group = task.begin_group; group < task.end_group; group++) {
      find_moments(group, group == task.begin_group, left, count);
      for (int r = 0; r < ROWS && group * ROWS + r < s.positions_down(); r++) {
        const long index = place(group * ROWS + r, left);
        steps.compare(s, moments(r), at.pitch, count, s.weights ? s.weights + index : nullptr,
                      s.map ? s.map + index : nullptr, sums);
      }
      if (s.sums) write_sums(group);
    }
  }

  float *ring_row(long row) {
    return scratch + at.ring + (row + at.depth) % at.depth * at.maps * at.pitch;
  }

  // The slopes of a group, spread along the rows of the block.
  void find_slopes(long group, bool first, long begin, long left, long columns) {
    const long end = left + columns < s.positions_across() ? left + columns : s.positions_across();
    float *const slopes = scratch + at.slopes;
    find_moments(group, first, begin, end - begin);
    for (int r = 0; r < ROWS; r++) {
      const long row = group * ROWS + r;
      if (row >= s.positions_down()) {
        memset(ring_row(row), 0, at.maps * at.pitch * sizeof(float));
        continue;
      }
      steps.differentiate(s, moments(r), at.pitch, end - begin,
                          s.weights ? s.weights + place(row, begin) : nullptr,
                          slopes + begin - left + at.margin, left - begin,
                          group < task.begin_group ? nullptr : sums);
      steps.spread(s, slopes, ring_row(row), at.pitch, columns);
    }
  }

  void differentiate() {
    const long left = task.block * cut.block_width, reach = s.taps - 1;
    const long columns = left + cut.block_width < s.width ? cut.block_width : s.width - left;
    const long begin = left > at.margin ? left - at.margin : 0;
    const long above = task.begin_group - (reach + ROWS - 1) / ROWS, top = above > 0 ? above : 0;
    for (long group = top; group < task.end_group; group++) {
      find_slopes(group, group == top, begin, left, columns);
      if (group < task.begin_group) continue;
      write_sums(group);
      const long first = group * ROWS;
      for (long i = 0; i < at.depth; i++) slope_rows[i] = ring_row(first - reach + i);
      const long index = (task.image * s.height + first) * s.width + left;
      steps.gather(s, slope_rows, at.pitch, x_rows, y_rows, left - begin,
                   s.by_x ? s.by_x + index : nullptr, s.by_y + index, s.height - first, columns);
    }
  }
};

void compare(const Statistics &s, const Cut &cut, const Task &task, float *scratch) {
  Worker(s, cut, task, scratch).compare();
}

void differentiate(const Statistics &s, const Cut &cut, const Task &task, float *scratch) {
  Worker(s, cut, task, scratch).differentiate();
}

}  // namespace

extern const Kernels KERNELS;  // the name of the table, of which there is one an instruction set
const Kernels KERNELS = {cut, compare, differentiate};
