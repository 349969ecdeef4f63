// Gradient similarity, for the instruction set this file is compiled for. The loops along rows are
// plain, for the compiler to make vectors of.
#include <cmath>

#include "kernels.h"
#include "rows.h"

namespace {

enum { ACROSS, DOWN, ROWS_OF_AN_IMAGE };                     // derivatives, or what is owed to them
enum { SMOOTHED, STEPPED, X, Y = X + ROWS_OF_AN_IMAGE, D = Y + ROWS_OF_AN_IMAGE, WEIGHT, ZEROS, KEPT };
constexpr int RING = 3;  // rows whose slopes reach a row

// A thread's work: rows of its scratch, with zeros before and behind what is computed.
struct Worker {
  const Gradients &g;
  const long image, count, margin, pitch;
  float *const scratch;

  Worker(const Gradients &g, long image, float *scratch)
      : g(g), image(image), count(g.width), margin(margin_of(g)), pitch(pitch_of(g)),
        scratch(scratch) {
    memset(scratch, 0, floats_of(g) * sizeof(float));
  }

  static long margin_of(const Gradients &g) { return round_up(g.channels, LANES); }
  static long pitch_of(const Gradients &g) {
    return round_up(g.width, LANES * g.channels) + 2 * margin_of(g);
  }
  static long floats_of(const Gradients &g) {
    return (KEPT + 2 * ROWS_OF_AN_IMAGE * RING) * pitch_of(g);
  }

  float *kept(long place) const { return scratch + place * pitch + margin; }

  const float *pixels(const float *images, long row) const {
    if (row < 0 || row >= g.height) return kept(ZEROS);
    return images + (image * g.height + row) * count;
  }

  // The derivatives of one image along a row, into the rows of scratch from `place` on.
  void find_derivatives(const float *images, long row, long place) const {
    const float *above = pixels(images, row - 1), *here = pixels(images, row),
                *below = pixels(images, row + 1);
    float *__restrict smoothed = kept(SMOOTHED), *__restrict stepped = kept(STEPPED);
    const float s0 = g.smoothing[0], s1 = g.smoothing[1], s2 = g.smoothing[2];
    for (long i = 0; i < count; i++) {
      smoothed[i] = s0 * above[i] + s1 * here[i] + s2 * below[i];
      stepped[i] = below[i] - above[i];
    }
    float *__restrict across = kept(place + ACROSS), *__restrict down = kept(place + DOWN);
    const long next = g.channels;
    for (long i = 0; i < count; i++) {
      across[i] = smoothed[i + next] - smoothed[i - next];
      down[i] = s0 * stepped[i - next] + s1 * stepped[i] + s2 * stepped[i + next];
    }
  }

  // The derivatives of both images, and d.
  void compare(long row) const {
    find_derivatives(g.x, row, X);
    find_derivatives(g.y, row, Y);
    const float *__restrict x_across = kept(X + ACROSS), *__restrict x_down = kept(X + DOWN);
    const float *__restrict y_across = kept(Y + ACROSS), *__restrict y_down = kept(Y + DOWN);
    float *__restrict d = kept(D);
    for (long i = 0; i < count; i++) {
      const float m = x_across[i] * x_across[i] + x_down[i] * x_down[i];
      const float n = y_across[i] * y_across[i] + y_down[i] * y_down[i];
      const float apart = sqrtf(m) - sqrtf(n);
      d[i] = apart * apart / (m + n + g.constant);
    }
  }

  void measure(long begin, long end, double *sums) const {
    for (long i = 0; i < count; i++) kept(WEIGHT)[i] = 1;
    for (long row = begin; row < end; row++) {
      compare(row);
      if (g.weights) memcpy(kept(WEIGHT), pixels(g.weights, row), count * sizeof(float));
      for (long channel = 0; channel < g.channels; channel++) add_channel(channel, sums);
    }
  }

  // Adds the sums of every `channels`-th vector; the values behind the row are zero.
  void add_channel(long first, double *sums) const {
    Lanes weight = {}, once = {}, twice = {};
    for (long i = first * LANES; i < count; i += g.channels * LANES) {
      const Lanes d = load(kept(D) + i), w = load(kept(WEIGHT) + i);
      weight += w, once += w * d, twice += w * d * d;
    }
    for (long lane = 0; lane < LANES; lane++) {
      const long channel = (first * LANES + lane) % g.channels;
      sums[channel] += weight[lane];
      sums[g.channels + channel] += once[lane];
      sums[2 * g.channels + channel] += twice[lane];
    }
  }

  // What the slopes of a row owe to the smoothed and to the stepped row of one image.
  void spread(long place, long other, float *__restrict smoothed, float *__restrict stepped) const {
    float *__restrict across = kept(place + ACROSS), *__restrict down = kept(place + DOWN);
    const float *__restrict other_across = kept(other + ACROSS),
                *__restrict other_down = kept(other + DOWN);
    const float *__restrict d = kept(D), *__restrict slope = kept(WEIGHT);
    float *__restrict to_across = kept(SMOOTHED), *__restrict to_down = kept(STEPPED);
    for (long i = 0; i < count; i++) {
      const float m = across[i] * across[i] + down[i] * down[i];
      const float n = other_across[i] * other_across[i] + other_down[i] * other_down[i];
      const float ratio = m > 0 ? sqrtf(n) / sqrtf(m) : 0;
      const float factor = 2 * slope[i] * (1 - ratio - d[i]) / (m + n + g.constant);
      to_across[i] = factor * across[i];
      to_down[i] = factor * down[i];
    }
    const float s0 = g.smoothing[0], s1 = g.smoothing[1], s2 = g.smoothing[2];
    const long next = g.channels;
    for (long i = 0; i < count; i++) {
      smoothed[i] = to_across[i - next] - to_across[i + next];
      stepped[i] = s0 * to_down[i + next] + s1 * to_down[i] + s2 * to_down[i - next];
    }
  }

  // The rows of scratch for what a row of images owes: of y, or of x.
  float *owed(bool of_x, long row, long which) const {
    return kept(KEPT + (of_x * RING + (row + RING) % RING) * ROWS_OF_AN_IMAGE + which);
  }

  void clear(float *rows) const { memset(rows - margin, 0, ROWS_OF_AN_IMAGE * pitch * sizeof(float)); }

  void find_slopes(long row) const {
    if (row < 0 || row >= g.height) {
      clear(owed(false, row, ACROSS));
      clear(owed(true, row, ACROSS));
      return;
    }
    compare(row);
    const double *const factors = g.slopes + image * 2 * g.channels;
    const float *const weights = g.weights ? pixels(g.weights, row) : nullptr;
    float *__restrict slope = kept(WEIGHT);
    const float *__restrict d = kept(D);
    for (long channel = 0; channel < g.channels; channel++) {
      const float a = factors[channel], b = factors[g.channels + channel];
      for (long i = channel; i < count; i += g.channels)
        slope[i] = (a + b * d[i]) * (weights ? weights[i] : 1);
    }
    spread(Y, X, owed(false, row, ACROSS), owed(false, row, DOWN));
    if (g.by_x) spread(X, Y, owed(true, row, ACROSS), owed(true, row, DOWN));
  }

  void gather(bool of_x, long row, float *__restrict to) const {
    const float *__restrict above = owed(of_x, row - 1, ACROSS),
                *__restrict here = owed(of_x, row, ACROSS),
                *__restrict below = owed(of_x, row + 1, ACROSS);
    const float *__restrict step_above = owed(of_x, row - 1, DOWN),
                *__restrict step_below = owed(of_x, row + 1, DOWN);
    const float s0 = g.smoothing[0], s1 = g.smoothing[1], s2 = g.smoothing[2];
    for (long i = 0; i < count; i++)
      to[i] = s2 * above[i] + s1 * here[i] + s0 * below[i] + step_above[i] - step_below[i];
  }

  void differentiate(long begin, long end) const {
    find_slopes(begin - 1);
    find_slopes(begin);
    for (long row = begin; row < end; row++) {
      find_slopes(row + 1);
      const long index = (image * g.height + row) * count;
      gather(false, row, g.by_y + index);
      if (g.by_x) gather(true, row, g.by_x + index);
    }
  }
};

long scratch_floats(const Gradients &g) { return Worker::floats_of(g); }

void measure(const Gradients &g, long image, long begin, long end, double *sums, float *scratch) {
  Worker(g, image, scratch).measure(begin, end, sums);
}

void differentiate(const Gradients &g, long image, long begin, long end, float *scratch) {
  Worker(g, image, scratch).differentiate(begin, end);
}

}  // namespace

extern const GradientKernels GRADIENT_KERNELS;  // of which there is one an instruction set
const GradientKernels GRADIENT_KERNELS = {scratch_floats, measure, differentiate};
