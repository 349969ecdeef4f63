// Tasks shared between the threads of XLA's pool.
#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>

#include "xla/ffi/api/ffi.h"

// Runs run(task, scratch) for all tasks, with aligned scratch that no other thread has. The caller
// works too and returns when every task is done, whether or not the pool ever had a thread to
// spare: a thread of the pool may call this, and nothing waits for one.
template <class Run>
xla::ffi::Error run_parallel(xla::ffi::ThreadPool &pool, long tasks, long scratch_floats,
                             const Run &run) {
  constexpr std::align_val_t ALIGNMENT{64};
  struct Shared {
    std::atomic<long> next_task{0}, next_worker{0}, left;
    std::mutex mutex;
    std::condition_variable all_done;
  };
  const long workers = std::min<long>(std::max<long>(1, pool.num_threads()), tasks);
  void *memory = ::operator new(workers * scratch_floats * sizeof(float), ALIGNMENT, std::nothrow);
  if (!memory) return {xla::ffi::ErrorCode::kResourceExhausted, "No memory for the scratch."};
  float *const scratch = static_cast<float *>(memory);
  auto shared = std::make_shared<Shared>();
  shared->left = tasks;
  // `run` and the scratch last while tasks are left; a thread that comes later finds none.
  auto work = [shared, tasks, scratch, scratch_floats, run = &run] {
    float *const own = scratch + shared->next_worker++ * scratch_floats;
    for (long task; (task = shared->next_task++) < tasks;) {
      (*run)(task, own);
      if (--shared->left > 0) continue;
      std::lock_guard<std::mutex> lock(shared->mutex);
      shared->all_done.notify_all();
    }
  };
  for (long i = 1; i < workers; i++) pool.Schedule(decltype(work)(work));
  work();
  {
    std::unique_lock<std::mutex> lock(shared->mutex);
    shared->all_done.wait(lock, [&] { return shared->left == 0; });
  }
  ::operator delete(memory, ALIGNMENT);
  return xla::ffi::Error::Success();
}
