// What the machine can do at best: for each line read, every thread reads memory and then multiplies
// and adds in registers; prints bytes read and floating-point operations per second, the best of
// three tries each.
//
//     cc -O3 -march=native -pthread floor.c -o floor && echo | ./floor THREADS
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __AVX512F__
#define VECTOR_BYTES 64
#else
#define VECTOR_BYTES 32
#endif
#define CHAINS 12  // independent sums: as many as hide the latency and still fit into registers
#define BUFFER_BYTES (192L << 20)  // for each thread, beyond the caches that it has to itself
#define ROUNDS 8000000L

typedef float vector __attribute__((vector_size(VECTOR_BYTES)));

static int threads;
static vector **buffers;
static atomic_int arrived;
static volatile float sink;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void wait_for_all(void) {
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < threads) {
    }
}

static void *read_memory(void *buffer) {
    const vector *v = buffer;
    vector sums[CHAINS] = {0};
    wait_for_all();
    for (long i = 0; i + CHAINS <= BUFFER_BYTES / VECTOR_BYTES; i += CHAINS)
        for (int chain = 0; chain < CHAINS; chain++) sums[chain] += v[i + chain];
    for (int chain = 0; chain < CHAINS; chain++) sink = sums[chain][0];
    return NULL;
}

static void *multiply_add(void *buffer) {
    const vector *v = buffer;
    vector sums[CHAINS], factor = v[CHAINS], term = v[CHAINS + 1];
    for (int chain = 0; chain < CHAINS; chain++) sums[chain] = v[chain];  // not known to be equal
    wait_for_all();
    for (long i = 0; i < ROUNDS; i++)
        for (int chain = 0; chain < CHAINS; chain++) sums[chain] = sums[chain] * factor + term;
    for (int chain = 0; chain < CHAINS; chain++) sink = sums[chain][0];
    return NULL;
}

static double best_seconds(void *(*work)(void *)) {
    double best = 1e9;
    pthread_t handles[threads];
    for (int attempt = 0; attempt < 3; attempt++) {
        atomic_store(&arrived, 0);
        double start = now();
        for (int i = 0; i < threads; i++) pthread_create(&handles[i], NULL, work, buffers[i]);
        for (int i = 0; i < threads; i++) pthread_join(handles[i], NULL);
        double seconds = now() - start;
        if (seconds < best) best = seconds;
    }
    return best;
}

int main(int count, char **arguments) {
    char line[16];
    threads = count > 1 ? atoi(arguments[1]) : 1;
    buffers = malloc(threads * sizeof *buffers);
    for (int i = 0; i < threads; i++) {
        buffers[i] = aligned_alloc(VECTOR_BYTES, BUFFER_BYTES);
        memset(buffers[i], 0, BUFFER_BYTES);  // touched, so that the pages are there
    }
    while (fgets(line, sizeof line, stdin)) {
        double bytes = (double)BUFFER_BYTES * threads / best_seconds(read_memory);
        double lanes = VECTOR_BYTES / sizeof(float);
        double operations = 2 * lanes * CHAINS * ROUNDS * threads / best_seconds(multiply_add);
        printf("%.6g %.6g\n", bytes, operations);
        fflush(stdout);
    }
    return 0;
}
