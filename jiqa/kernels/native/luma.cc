// Rounded luma, for the instruction set this file is compiled for. The loop is plain, for the
// compiler to make vectors of.
#include <cmath>

#include "kernels.h"

namespace {

constexpr float NEARLY_WHOLE = 1e-3f;

float make_whole(float level) {
  const float whole = rintf(level);
  return fabsf(level - whole) < NEARLY_WHOLE ? whole : level;
}

void round_luma(const Luma &l, long begin, long end) {
  const float c0 = l.coarse[0], c1 = l.coarse[1], c2 = l.coarse[2];
  const float r0 = l.rest[0], r1 = l.rest[1], r2 = l.rest[2], levels = l.levels;
  const float *__restrict from = l.from;
  float *__restrict to = l.to;
  for (long i = begin; i < end; i++) {
    const float red = make_whole(from[3 * i] * levels);
    const float green = make_whole(from[3 * i + 1] * levels);
    const float blue = make_whole(from[3 * i + 2] * levels);
    const float high = red * c0 + green * c1 + blue * c2 + 0.5f;
    const float low = red * r0 + green * r1 + blue * r2;
    to[i] = (floorf(high) + floorf(high - floorf(high) + low)) / levels;
  }
}

}  // namespace

extern const LumaKernels LUMA_KERNELS;  // of which there is one an instruction set
const LumaKernels LUMA_KERNELS = {round_luma};
