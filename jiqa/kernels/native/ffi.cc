// The kernels as custom calls of XLA, for the instruction set of the processor that runs them.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "kernels.h"
#include "parallel.h"

namespace ffi = xla::ffi;

struct Processor {
  const Kernels &statistics;
  const FilterKernels &filter;
  const GradientKernels &gradients;
  const LumaKernels &luma;
  const WinogradKernels &winograd;
};

#define DECLARE_KERNELS(name)                           \
  extern const Kernels kernels_##name;                  \
  extern const FilterKernels filter_kernels_##name;     \
  extern const GradientKernels gradient_kernels_##name; \
  extern const LumaKernels luma_kernels_##name;         \
  extern const WinogradKernels winograd_kernels_##name;
DECLARE_KERNELS(baseline)
#if defined(__x86_64__)
DECLARE_KERNELS(avx2)
DECLARE_KERNELS(avx512)
#endif

namespace {

constexpr long LEAST_WORK = 32768;  // values that are worth another thread's while
constexpr long LEAST_ROWS = 64;     // of a gradient's task, which computes some more above them
constexpr long VALUES_OF_BLOCK = 1 << 21;  // of tiles, which stay in the shared cache
constexpr long FEW_TILES = 16;             // of a task that transforms
constexpr long FEW_CHANNELS = 16;          // the same; channels come in multiples of them

Processor find_processor() {
#if defined(__x86_64__)
  const char *given = getenv("JIQA_NATIVE");
  const std::string most = given ? given : "";
  if (most != "baseline" && most != "avx2" && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq"))
    return {kernels_avx512, filter_kernels_avx512, gradient_kernels_avx512, luma_kernels_avx512,
            winograd_kernels_avx512};
  if (most != "baseline" && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {kernels_avx2, filter_kernels_avx2, gradient_kernels_avx2, luma_kernels_avx2,
            winograd_kernels_avx2};
#endif
  return {kernels_baseline, filter_kernels_baseline, gradient_kernels_baseline,
          luma_kernels_baseline, winograd_kernels_baseline};
}

const Processor &processor() {
  static const Processor found = find_processor();
  return found;
}

Type type_of(ffi::DataType type) {
  switch (type) {
    case ffi::BF16: return BFLOAT16;
    case ffi::F16: return FLOAT16;
    case ffi::U8: return UINT8;
    case ffi::U16: return UINT16;
    default: return FLOAT32;
  }
}

// Fills what `statistics` leaves open, cuts it into tasks, runs these and leaves the sums of all
// in totals [2, images, channels].
ffi::Error run(ffi::ThreadPool pool, Statistics &s, ffi::AnyBuffer x, ffi::AnyBuffer y,
               ffi::Span<const float> window, std::vector<double> *totals) {
  const auto size = x.dimensions();
  s.images = size[0], s.height = size[1], s.width = size[2] * size[3], s.channels = size[3];
  s.type = type_of(x.element_type()), s.x = x.untyped_data(), s.y = y.untyped_data();
  s.taps = window.size(), s.window = window.begin();
  std::vector<float> reversed(window.begin(), window.end());
  std::reverse(reversed.begin(), reversed.end());
  s.reversed_window = reversed.data();

  const Kernels &kernels = processor().statistics;
  const bool gradient = s.by_y;
  const Cut cut = kernels.cut(s);
  const long threads = std::max<long>(1, pool.num_threads());
  const long rows_of_group = (gradient ? s.height : s.positions_down()) / cut.groups;
  long groups = LEAST_WORK / (rows_of_group * cut.block_width) + 1;
  if (gradient) {
    const long wanted = threads == 1 ? 1 : 3 * threads;
    const long bands = (wanted - 1) / (s.images * cut.blocks) + 1;
    groups = std::max({groups, LEAST_ROWS / rows_of_group, (cut.groups - 1) / bands + 1});
  }
  const long bands = (cut.groups + groups - 1) / groups;
  const long tasks = s.images * cut.blocks * bands;
  std::vector<double> sums(totals ? s.images * cut.groups * cut.blocks * 2 * s.channels : 0);
  s.sums = totals ? sums.data() : nullptr;
  const auto compute = gradient ? kernels.differentiate : kernels.compare;
  const auto run_task = [&](long index, float *scratch) {
    const long band = index % bands, block = index / bands % cut.blocks;
    const Task task = {index / bands / cut.blocks, block, band * groups,
                       std::min(cut.groups, (band + 1) * groups)};
    compute(s, cut, task, scratch);
  };
  ffi::Error error = run_parallel(pool, tasks, cut.scratch_floats, run_task);
  if (error.failure() || !totals) return error;

  totals->assign(2 * s.images * s.channels, 0);
  const double *sum = sums.data();
  for (long image = 0; image < s.images; image++)
    for (long part = 0; part < cut.groups * cut.blocks; part++)
      for (long which = 0; which < 2; which++)
        for (long channel = 0; channel < s.channels; channel++)
          (*totals)[(which * s.images + image) * s.channels + channel] += *sum++;
  return error;
}

const float *first_weights(ffi::RemainingArgs rest) {
  return rest.size() ? rest.get<ffi::AnyBuffer>(0)->typed_data<float>() : nullptr;
}

ffi::Error sums(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer y, ffi::RemainingArgs rest,
                ffi::ResultBuffer<ffi::F32> ssim, ffi::ResultBuffer<ffi::F32> contrast_structure,
                ffi::Span<const float> window, float c1, float c2, float scale) {
  Statistics s = {};
  s.c1 = c1, s.c2 = c2, s.scale = scale, s.weights = first_weights(rest);
  std::vector<double> totals;
  ffi::Error error = run(pool, s, x, y, window, &totals);
  if (error.failure()) return error;
  const auto middle = totals.begin() + totals.size() / 2;
  std::copy(totals.begin(), middle, ssim->typed_data());
  std::copy(middle, totals.end(), contrast_structure->typed_data());
  return error;
}

ffi::Error comparison_map(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer y,
                          ffi::ResultBuffer<ffi::F32> map, ffi::Span<const float> window, float c1,
                          float c2, float scale, bool luminance) {
  Statistics s = {};
  s.c1 = c1, s.c2 = c2, s.scale = scale, s.luminance = luminance, s.map = map->typed_data();
  return run(pool, s, x, y, window, nullptr);
}

// The gradient with respect to y, or to x and y where two are to be returned.
ffi::Error gradient(ffi::ThreadPool pool, ffi::AnyBuffer x, ffi::AnyBuffer y,
                    ffi::RemainingArgs rest, ffi::ResultBuffer<ffi::F32> total,
                    ffi::RemainingRets gradients, ffi::Span<const float> window, float c1, float c2,
                    float scale, bool luminance) {
  Statistics s = {};
  s.c1 = c1, s.c2 = c2, s.scale = scale, s.luminance = luminance, s.weights = first_weights(rest);
  const bool both = gradients.size() == 2;
  s.by_x = both ? (*gradients.get<ffi::BufferR4<ffi::F32>>(0))->typed_data() : nullptr;
  s.by_y = (*gradients.get<ffi::BufferR4<ffi::F32>>(both))->typed_data();
  std::vector<double> totals;
  ffi::Error error = run(pool, s, x, y, window, &totals);
  if (error.failure()) return error;
  std::copy(totals.begin(), totals.begin() + totals.size() / 2, total->typed_data());
  return error;
}

ffi::Error filter(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> from, ffi::ResultBuffer<ffi::F32> to,
                  ffi::Span<const float> down, ffi::Span<const float> across, int64_t step,
                  int64_t spread, int64_t top, int64_t left) {
  const auto size = from.dimensions(), result = to->dimensions();
  Filter f = {from.typed_data(), to->typed_data()};
  f.images = size[0], f.channels = size[3];
  f.from_height = size[1], f.from_width = size[2] * size[3];
  f.to_height = result[1], f.to_width = result[2] * result[3];
  f.down = down.begin(), f.down_taps = down.size();
  f.across = across.begin(), f.across_taps = across.size();
  f.step = step, f.spread = spread, f.top = top, f.left = left;
  const FilterKernels &kernels = processor().filter;
  const long all = kernels.groups(f), rows = (f.to_height - 1) / all + 1;
  const long groups = LEAST_WORK / (rows * f.to_width + 1) + 1, bands = (all - 1) / groups + 1;
  const auto run_task = [&](long index, float *scratch) {
    const long begin = index % bands * groups;
    kernels.filter(f, index / bands, begin, std::min(all, begin + groups), scratch);
  };
  return run_parallel(pool, f.images * bands, kernels.scratch_floats(f), run_task);
}

// Runs run(image, begin, end, scratch) for bands of rows of all images.
template <class Run>
ffi::Error run_bands(ffi::ThreadPool pool, const Gradients &g, const Run &run) {
  const long rows = std::max<long>(LEAST_WORK / std::max<long>(g.width, 1), 1);
  const long bands = (g.height - 1) / rows + 1;
  const auto run_task = [&](long index, float *scratch) {
    const long begin = index % bands * rows;
    run(index / bands, begin, std::min(g.height, begin + rows), scratch);
  };
  return run_parallel(pool, g.images * bands, processor().gradients.scratch_floats(g), run_task);
}

// Fills what `g` leaves open and leaves weights' sum, mean and variance [images, 3, channels].
ffi::Error measure(ffi::ThreadPool pool, Gradients &g, ffi::Buffer<ffi::F32> x,
                   ffi::Buffer<ffi::F32> y, ffi::RemainingArgs rest,
                   ffi::Span<const float> smoothing, float constant, std::vector<double> &moments) {
  const auto size = x.dimensions();
  g.images = size[0], g.height = size[1], g.width = size[2] * size[3], g.channels = size[3];
  g.x = x.typed_data(), g.y = y.typed_data(), g.weights = first_weights(rest);
  std::copy(smoothing.begin(), smoothing.end(), g.smoothing);
  g.constant = constant;
  const long parts = 3 * g.channels;
  std::vector<double> rows(g.images * g.height * parts);  // at each band's first row, its sums
  ffi::Error error = run_bands(pool, g, [&](long image, long begin, long end, float *scratch) {
    double *const sums = rows.data() + (image * g.height + begin) * parts;
    processor().gradients.measure(g, image, begin, end, sums, scratch);
  });
  if (error.failure()) return error;
  moments.assign(g.images * parts, 0);
  for (long i = 0; i < g.images * g.height * parts; i++)
    moments[i / (g.height * parts) * parts + i % parts] += rows[i];
  for (long image = 0; image < g.images; image++) {
    for (long channel = 0; channel < g.channels; channel++) {
      double *const all = moments.data() + image * parts + channel;
      double &mean = all[g.channels], &variance = all[2 * g.channels];
      mean /= all[0];
      variance = std::max(variance / all[0] - mean * mean, 0.0);
    }
  }
  return error;
}

// Copies weights' sum (0), mean (1) or variance (2) of all images.
void copy_moment(const Gradients &g, const std::vector<double> &moments, long which, float *to) {
  for (long image = 0; image < g.images; image++)
    for (long channel = 0; channel < g.channels; channel++)
      *to++ = moments[(image * 3 + which) * g.channels + channel];
}

ffi::Error gradient_moments(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> y,
                            ffi::RemainingArgs rest, ffi::ResultBuffer<ffi::F32> mean,
                            ffi::ResultBuffer<ffi::F32> variance, ffi::Span<const float> smoothing,
                            float constant) {
  Gradients g = {};
  std::vector<double> moments;
  ffi::Error error = measure(pool, g, x, y, rest, smoothing, constant, moments);
  if (error.failure()) return error;
  copy_moment(g, moments, 1, mean->typed_data());
  copy_moment(g, moments, 2, variance->typed_data());
  return error;
}

// The slopes of the mean or of the variance with respect to y, or to x and y where two are to be
// returned.
ffi::Error gradient_slopes(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> y,
                           ffi::RemainingArgs rest, ffi::ResultBuffer<ffi::F32> total,
                           ffi::RemainingRets gradients, ffi::Span<const float> smoothing,
                           float constant, bool variance) {
  Gradients g = {};
  std::vector<double> moments;
  ffi::Error error = measure(pool, g, x, y, rest, smoothing, constant, moments);
  if (error.failure()) return error;
  copy_moment(g, moments, variance ? 2 : 1, total->typed_data());
  std::vector<double> slopes(2 * g.images * g.channels);
  for (long image = 0; image < g.images; image++) {
    for (long channel = 0; channel < g.channels; channel++) {
      const double *const all = moments.data() + image * 3 * g.channels + channel;
      double *const to = slopes.data() + image * 2 * g.channels + channel;
      to[0] = (variance ? -2 * all[g.channels] : 1) / all[0];
      to[g.channels] = (variance ? 2 : 0) / all[0];
    }
  }
  g.slopes = slopes.data();
  const bool both = gradients.size() == 2;
  g.by_x = both ? (*gradients.get<ffi::BufferR4<ffi::F32>>(0))->typed_data() : nullptr;
  g.by_y = (*gradients.get<ffi::BufferR4<ffi::F32>>(both))->typed_data();
  return run_bands(pool, g, [&](long image, long begin, long end, float *scratch) {
    processor().gradients.differentiate(g, image, begin, end, scratch);
  });
}

ffi::Error rounded_luma(ffi::ThreadPool pool, ffi::BufferR4<ffi::F32> from,
                        ffi::ResultBufferR4<ffi::F32> to, ffi::Span<const float> coarse,
                        ffi::Span<const float> rest, float levels, bool halve) {
  const auto size = from.dimensions();
  const Luma l = {from.typed_data(), to->typed_data(), coarse.begin(), rest.begin(),
                  levels,            size[1],          size[2]};
  const auto run_tasks = [&](long items, long least, long scratch, const auto &run) {
    return run_parallel(pool, (items + least - 1) / least, scratch, [&](long index, float *own) {
      run(index * least, std::min(items, (index + 1) * least), own);
    });
  };
  if (halve) {
    const long rows = size[0] * to->dimensions()[1];
    const long least = std::max(1L, LEAST_WORK / std::max(1L, 2 * l.width));
    return run_tasks(rows, least, l.width + 16, [&](long begin, long end, float *scratch) {
      processor().luma.round_halved(l, begin, end, scratch);
    });
  }
  return run_tasks(to->element_count(), LEAST_WORK, 0, [&](long begin, long end, float *) {
    processor().luma.round(l, begin, end);
  });
}

Convolution describe(ffi::BufferR4<ffi::F32> from, ffi::Span<const int64_t> to, long taps,
                     long top, long left) {
  const auto size = from.dimensions();
  Convolution c = {};
  c.from = {from.typed_data(), size[1], size[2], size[3], top, left};
  c.to = {nullptr, to[1], to[2], to[3], 0, 0};
  c.taps = taps, c.images = size[0];
  const long span = 7 - taps;
  c.tiles_down = (to[1] - 1) / span + 1, c.tiles_across = (to[2] - 1) / span + 1;
  return c;
}

// Runs run(first, tiles, block, values, slopes) for blocks of tiles, whose values are transformed
// before, and those of the pixels of `to` if there are any.
template <class Run>
ffi::Error run_blocks(ffi::ThreadPool &pool, const Convolution &c, const Run &run) {
  const WinogradKernels &kernels = processor().winograd;
  const long channels = c.from.channels, outputs = c.to.pixels ? c.to.channels : 0;
  const long share = kernels.share_tiles;
  const long most = VALUES_OF_BLOCK / (kernels.values * std::max(channels, outputs));
  const long block = std::min(std::max(share, most / share * share), c.tiles());
  const long floats = kernels.values * block * (channels + outputs);
  const std::unique_ptr<float[]> values(new (std::nothrow) float[floats]);
  if (!values) return {ffi::ErrorCode::kResourceExhausted, "No memory for the values of tiles."};
  float *const slopes = values.get() + kernels.values * block * channels;
  for (long first = 0; first < c.tiles(); first += block) {
    const long tiles = std::min(block, c.tiles() - first);
    const auto transform = [&](long index, float *) {
      const long begin = index * FEW_TILES, end = std::min(begin + FEW_TILES, tiles);
      kernels.transform_maps(c, first, begin, end, values.get(), block);
      if (outputs) kernels.transform_slopes(c, first, begin, end, slopes, block);
    };
    ffi::Error error = run_parallel(pool, (tiles - 1) / FEW_TILES + 1, 0, transform);
    if (error.success()) error = run(first, tiles, block, values.get(), slopes);
    if (error.failure()) return error;
  }
  return ffi::Error::Success();
}

ffi::Error winograd(ffi::ThreadPool pool, ffi::BufferR4<ffi::F32> from,
                    ffi::BufferR4<ffi::F32> kernel, ffi::ResultBufferR4<ffi::F32> to, int64_t top,
                    int64_t left) {
  const WinogradKernels &kernels = processor().winograd;
  Convolution c = describe(from, to->dimensions(), kernel.dimensions()[0], top, left);
  c.kernel = kernel.typed_data(), c.result = to->typed_data();
  return run_blocks(pool, c, [&](long first, long tiles, long block, float *values, float *) {
    const long shares = (tiles - 1) / kernels.share_tiles + 1;
    const auto convolve = [&](long index, float *scratch) {
      const long part = index % shares, output = index / shares * kernels.share_outputs;
      kernels.convolve(c, values, block, first, tiles * part / shares, tiles * (part + 1) / shares,
                       output, scratch);
    };
    const long tasks = shares * ((c.to.channels - 1) / kernels.share_outputs + 1);
    return run_parallel(pool, tasks, kernels.scratch_floats, convolve);
  });
}

// The derivative, by the kernel, of the sum of the convolution's result times `slopes`.
ffi::Error winograd_slopes(ffi::ThreadPool pool, ffi::BufferR4<ffi::F32> from,
                           ffi::BufferR4<ffi::F32> slopes, ffi::ResultBufferR4<ffi::F32> kernel,
                           int64_t top, int64_t left) {
  const WinogradKernels &kernels = processor().winograd;
  Convolution c = describe(from, slopes.dimensions(), kernel->dimensions()[0], top, left);
  c.to.pixels = slopes.typed_data(), c.result = kernel->typed_data();
  std::vector<float> sums(kernels.values * c.from.channels * c.to.channels);
  const auto add = [&](long, long tiles, long block, float *values, float *slopes) {
    const auto correlate = [&](long index, float *scratch) {
      const long output = index / kernels.values * kernels.share_outputs;
      kernels.correlate(c, values, slopes, block, tiles, index % kernels.values, output,
                        sums.data(), scratch);
    };
    const long tasks = kernels.values * ((c.to.channels - 1) / kernels.share_outputs + 1);
    return run_parallel(pool, tasks, block * kernels.share_outputs, correlate);
  };
  ffi::Error error = run_blocks(pool, c, add);
  if (error.failure()) return error;
  const auto differentiate = [&](long index, float *) {
    kernels.differentiate(c, sums.data(), index * FEW_CHANNELS, (index + 1) * FEW_CHANNELS);
  };
  return run_parallel(pool, c.from.channels / FEW_CHANNELS, 0, differentiate);
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(jiqa_filter, filter,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Attr<ffi::Span<const float>>("down")
                                  .Attr<ffi::Span<const float>>("across")
                                  .Attr<int64_t>("step")
                                  .Attr<int64_t>("spread")
                                  .Attr<int64_t>("top")
                                  .Attr<int64_t>("left"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(jiqa_ssim_sums, sums,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Attr<ffi::Span<const float>>("window")
                                  .Attr<float>("c1")
                                  .Attr<float>("c2")
                                  .Attr<float>("scale"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(jiqa_ssim_comparison_map, comparison_map,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Attr<ffi::Span<const float>>("window")
                                  .Attr<float>("c1")
                                  .Attr<float>("c2")
                                  .Attr<float>("scale")
                                  .Attr<bool>("luminance"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(jiqa_ssim_gradient, gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .RemainingRets()
                                  .Attr<ffi::Span<const float>>("window")
                                  .Attr<float>("c1")
                                  .Attr<float>("c2")
                                  .Attr<float>("scale")
                                  .Attr<bool>("luminance"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(jiqa_gradient_moments, gradient_moments,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .RemainingArgs()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Attr<ffi::Span<const float>>("smoothing")
                                  .Attr<float>("constant"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(jiqa_gradient_slopes, gradient_slopes,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .Arg<ffi::Buffer<ffi::F32>>()
                                  .RemainingArgs()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .RemainingRets()
                                  .Attr<ffi::Span<const float>>("smoothing")
                                  .Attr<float>("constant")
                                  .Attr<bool>("variance"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(jiqa_rounded_luma, rounded_luma,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::BufferR4<ffi::F32>>()
                                  .Ret<ffi::BufferR4<ffi::F32>>()
                                  .Attr<ffi::Span<const float>>("coarse")
                                  .Attr<ffi::Span<const float>>("rest")
                                  .Attr<float>("levels")
                                  .Attr<bool>("halve"));

#define BIND_CONVOLUTION                \
  ffi::Ffi::Bind()                      \
      .Ctx<ffi::ThreadPool>()           \
      .Arg<ffi::BufferR4<ffi::F32>>()   \
      .Arg<ffi::BufferR4<ffi::F32>>()   \
      .Ret<ffi::BufferR4<ffi::F32>>()   \
      .Attr<int64_t>("top")             \
      .Attr<int64_t>("left")
XLA_FFI_DEFINE_HANDLER_SYMBOL(jiqa_winograd, winograd, BIND_CONVOLUTION);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jiqa_winograd_slopes, winograd_slopes, BIND_CONVOLUTION);
