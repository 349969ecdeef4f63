// Vectors of the instruction set that this file is compiled for, of floats and of what is read as
// floats. Everything has internal linkage: the same names are compiled for several instruction sets
// and linked together.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__F16C__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#define ALWAYS __attribute__((always_inline))
#define INLINE ALWAYS inline

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

template <class T>
struct Pack {
  typedef T type __attribute__((vector_size(LANES * sizeof(T))));
};
typedef Pack<float>::type Lanes;
typedef Pack<int32_t>::type IntLanes;

struct bfloat16 {
  uint16_t bits;
};
struct float16 {
  uint16_t bits;
};

template <class To, class From>
INLINE To bit_cast(const From &from) {
  static_assert(sizeof(To) == sizeof(From), "a cast of bits keeps their number");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

template <class T>
INLINE typename Pack<T>::type load_as_is(const T *from) {
  typename Pack<T>::type lanes;
  memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

INLINE Lanes load(const float *from) { return load_as_is(from); }

INLINE Lanes load(const uint16_t *from) {
  return __builtin_convertvector(__builtin_convertvector(load_as_is(from), IntLanes), Lanes);
}

INLINE Lanes load(const uint8_t *from) {  // by way of 16 bits, or compilers take lane by lane
  typedef typename Pack<uint16_t>::type ShortLanes;
  ShortLanes wider = __builtin_convertvector(load_as_is(from), ShortLanes);
  return __builtin_convertvector(__builtin_convertvector(wider, IntLanes), Lanes);
}

INLINE IntLanes load_bits(const void *from) {
  return __builtin_convertvector(load_as_is(static_cast<const uint16_t *>(from)), IntLanes);
}

INLINE Lanes load(const bfloat16 *from) { return bit_cast<Lanes>(load_bits(from) << 16); }

INLINE Lanes load(const float16 *from) {
#if defined(__AVX512F__)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from)));
#elif defined(__F16C__)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(from)));
#else
  // The exponent and fraction in place, the exponent rebiased; subnormal numbers by subtraction,
  // as subnormal floats may be flushed to zero; infinite and undefined ones keep the top exponent.
  IntLanes bits = load_bits(from), magnitude = (bits & 0x7fff) << 13;
  IntLanes exponent = magnitude & 0x0f800000, rebiased = magnitude + (112 << 23);
  IntLanes special = rebiased + (112 << 23);
  IntLanes smallest = IntLanes{} + (113 << 23);
  IntLanes subnormal = bit_cast<IntLanes>(bit_cast<Lanes>(rebiased + (1 << 23)) -
                                          bit_cast<Lanes>(smallest));
  IntLanes value = exponent == 0 ? subnormal : exponent == 0x0f800000 ? special : rebiased;
  return bit_cast<Lanes>(value | (bits & 0x8000) << 16);
#endif
}

// Floats from + OFFSET on; where unaligned loads are slow, from the two aligned vectors about them.
template <int OFFSET>
INLINE Lanes load_shifted(const float *from) {
#if defined(__AVX512F__)
  if constexpr (OFFSET % LANES != 0) {
    const float *aligned = from + OFFSET / LANES * LANES;
    return _mm512_castsi512_ps(_mm512_alignr_epi32(bit_cast<__m512i>(load(aligned + LANES)),
                                                   bit_cast<__m512i>(load(aligned)),
                                                   OFFSET % LANES));
  }
#endif
  return load(from + OFFSET);
}

INLINE void store(float *to, Lanes lanes) { memcpy(to, &lanes, sizeof lanes); }

// What follows takes as many lanes as are left, in a last vector fewer than there are.

INLINE void store_first(float *to, Lanes lanes, long left) {
  if (left >= LANES) return store(to, lanes);
  memcpy(to, &lanes, left * sizeof(float));
}

template <class T>
INLINE Lanes load_first(const T *from, long left) {
  if (left >= LANES) return load(from);
  T lanes[LANES] = {};
  memcpy(lanes, from, left * sizeof(T));
  return load(lanes);
}

INLINE Lanes keep_first(Lanes lanes, long left) {  // zero in the others
  if (left >= LANES) return lanes;
  IntLanes lane = {};
  for (int i = 0; i < LANES; i++) lane[i] = i;
  return lane < static_cast<int32_t>(left) ? lanes : Lanes{};
}

template <int VALUE>
struct Constant {
  constexpr operator int() const { return VALUE; }
};

template <int BEGIN, int END, class Step>
INLINE void repeat(const Step &step) {
  if constexpr (BEGIN < END) {
    step(Constant<BEGIN>{});
    repeat<BEGIN + 1, END>(step);
  }
}

// step(0) ... step(count - 1), unrolled where the count is known: KNOWN > 0.
template <int KNOWN, class Step>
INLINE void repeat(long count, const Step &step) {
  if constexpr (KNOWN > 0) {
    repeat<0, KNOWN>(step);
  } else {
    for (long i = 0; i < count; i++) step(i);
  }
}

}  // namespace
