// What the kernels compute and with what. They are compiled for several instruction sets, each of
// which gives one table of functions.
#pragma once

enum Type { FLOAT32, BFLOAT16, FLOAT16, UINT8, UINT16 };

// A row [W, C] is folded to width = W * C values, so that taps along W are `channels` apart.
struct Statistics {
  long images, height, width, channels;
  Type type;
  const void *x, *y;     // [images, height, width]
  const float *weights;  // [images, positions down, positions across], or null for ones
  const float *window, *reversed_window;
  long taps;
  float c1, c2, scale;
  bool luminance;      // whether the map, or what is differentiated, is SSIM or contrast-structure
  double *sums;        // [images, groups, blocks, 2, channels], or null; added to
  float *map;          // [images, positions down, positions across], or null
  float *by_x, *by_y;  // [images, height, width]; both, by_y alone or none

  long halo() const { return (taps - 1) * channels; }
  long positions_down() const { return height - taps + 1; }
  long positions_across() const { return width - halo(); }
};

// How images are cut: columns into blocks, of which all that is computed stays in cache, and rows
// into groups, which are computed together.
struct Cut {
  long blocks, block_width, groups, scratch_floats;
};

// What a thread does at a time: some groups of a block of columns.
struct Task {
  long image, block, begin_group, end_group;
};

struct Kernels {
  Cut (*cut)(const Statistics &);
  // The scratch is aligned to 64 bytes.
  void (*compare)(const Statistics &, const Cut &, const Task &, float *scratch);
  void (*differentiate)(const Statistics &, const Cut &, const Task &, float *scratch);
};

// Images [images, from_height, from_width] with `spread` - 1 zeros between the pixels, `top` rows
// of zeros above, `left` columns before and as many as are needed behind, correlated with a window
// down the columns and one along the rows. Every `step`-th pixel of the result is kept. That is a
// correlation (spread 1, no margins) or its adjoint (step 1, reversed windows, margins).
struct Filter {
  const float *from;
  float *to;
  long images, channels, from_height, from_width, to_height, to_width;  // widths as above
  const float *down, *across;
  long down_taps, across_taps, step, spread, top, left;
};

struct FilterKernels {
  long (*groups)(const Filter &);  // of rows of the result
  long (*scratch_floats)(const Filter &);
  void (*filter)(const Filter &, long image, long begin_group, long end_group, float *scratch);
};

// How unlike the gradients of two images are, zero outside of both: with the lengths m and n of the
// gradients, d = (m - n)^2 / (m^2 + n^2 + constant) at every pixel.
struct Gradients {
  long images, height, width, channels;  // width as above
  const float *x, *y, *weights;          // [images, height, width]; weights null for ones
  float smoothing[3], constant;
  const double *slopes;  // [images, 2, channels]: d is differentiated with the factor a + b d
  float *by_x, *by_y;    // [images, height, width]; both or by_y alone
};

struct GradientKernels {
  long (*scratch_floats)(const Gradients &);
  // Adds the sums of w, w d and w d^2 over some rows to sums [3, channels].
  void (*measure)(const Gradients &, long image, long begin, long end, double *sums,
                  float *scratch);
  void (*differentiate)(const Gradients &, long image, long begin, long end, float *scratch);
};

// Luma of interleaved colours, rounded to whole levels, of which there are `levels` in 1: the weight
// of a channel is coarse + rest, see jiqa/kernels/rounded_luma.
struct Luma {
  const float *from;  // [images, height, width, 3]
  float *to;          // [images, height, width], or half the height and the width, rounded up
  const float *coarse, *rest;
  float levels;
  long height, width;
};

struct LumaKernels {
  void (*round)(const Luma &, long begin_pixel, long end_pixel);
  // Scratch is an even number of floats, at least the width.
  void (*round_halved)(const Luma &, long begin_row, long end_row, float *scratch);
};

// Maps [images, height, width, channels], with rows and columns of zeros before them and as many as
// are needed behind.
struct Map {
  const float *pixels;
  long height, width, channels, top, left;
};

struct Place {
  long image, down, across;
};

// Maps `from` correlated with a kernel [taps, taps, channels, outputs] give maps `to`, of which a
// tile has 7 - taps rows and columns.
struct Convolution {
  Map from, to;
  const float *kernel;
  float *result;  // the maps `to`, or the derivative by the kernel of those times pixels of `to`
  long taps, images, tiles_down, tiles_across;

  long tiles() const { return images * tiles_down * tiles_across; }
  Place place(long tile) const {
    const long row = tile / tiles_across;
    return {row / tiles_down, row % tiles_down, tile % tiles_across};
  }
};

// Tiles are computed in blocks from tile `first` on. Values of maps in the points are [values, tiles
// of the block, channels].
struct WinogradKernels {
  long values, share_tiles, share_outputs, scratch_floats;  // scratch of `convolve`
  // Values of `from`, and of the pixels of `to`.
  void (*transform_maps)(const Convolution &, long first, long begin, long end, float *values,
                         long block);
  void (*transform_slopes)(const Convolution &, long first, long begin, long end, float *values,
                           long block);
  // A share of the tiles and of the outputs of the result.
  void (*convolve)(const Convolution &, const float *values, long block, long first, long begin,
                   long end, long output, float *scratch);
  // Adds the products at a point, for a share of the outputs, to sums [values, outputs, channels];
  // scratch holds `share_outputs` a tile.
  void (*correlate)(const Convolution &, const float *values, const float *slopes, long block,
                    long tiles, long point, long output, float *sums, float *scratch);
  // The derivative by the kernel, of some channels, from these sums.
  void (*differentiate)(const Convolution &, const float *sums, long begin_channel,
                        long end_channel);
};
