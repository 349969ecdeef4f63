// Rounded luma, for the instruction set this file is compiled for. The loop is plain, for the
// compiler to make vectors of.
#include <cmath>

#include "kernels.h"
#include "lanes.h"

namespace {

constexpr float NEARLY_WHOLE = 1e-3f;

INLINE float make_whole(float level) {
  const float whole = rintf(level);
  return fabsf(level - whole) < NEARLY_WHOLE ? whole : level;
}

// The weighted sum of a pixel's channels, in levels.
INLINE float round_pixel(const Luma &l, const float *pixel) {
  const float red = make_whole(pixel[0] * l.levels);
  const float green = make_whole(pixel[1] * l.levels);
  const float blue = make_whole(pixel[2] * l.levels);
  const float high = red * l.coarse[0] + green * l.coarse[1] + blue * l.coarse[2] + 0.5f;
  const float low = red * l.rest[0] + green * l.rest[1] + blue * l.rest[2];
  return floorf(high) + floorf(high - floorf(high) + low);
}

void round_luma(const Luma &given, long begin, long end) {
  const Luma l = given;
  const float *__restrict from = l.from;
  float *__restrict to = l.to;
  for (long i = begin; i < end; i++) to[i] = round_pixel(l, from + 3 * i) / l.levels;
}

// Means of 2 x 2, with zeros below and to the right of odd sizes.
void round_halved(const Luma &given, long begin, long end, float *__restrict sums) {
  const Luma l = given;
  const long height = (l.height + 1) / 2, width = (l.width + 1) / 2, row_floats = 3 * l.width;
  sums[2 * width - 1] = 0;
  for (long row = begin; row < end; row++) {
    const long top = 2 * (row % height);
    const float *__restrict upper = l.from + (row / height * l.height + top) * row_floats;
    for (long i = 0; i < l.width; i++) sums[i] = round_pixel(l, upper + 3 * i);
    const float *__restrict lower = upper + row_floats;
    if (top + 1 < l.height)
      for (long i = 0; i < l.width; i++) sums[i] += round_pixel(l, lower + 3 * i);
    float *__restrict to = l.to + row * width;
    for (long i = 0; i < width; i++) to[i] = (sums[2 * i] + sums[2 * i + 1]) / (4 * l.levels);
  }
}

}  // namespace

extern const LumaKernels LUMA_KERNELS;  // of which there is one an instruction set
const LumaKernels LUMA_KERNELS = {round_luma, round_halved};
