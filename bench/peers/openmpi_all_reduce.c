// The Open MPI peer of the all-reduce and barrier benchmarks. Measures every size of both types in
// one run and prints a JSON line each; a wrong result ends the run. The way of measuring is the one
// of bench/jobs/collectives.ts, where it is described; both are changed together.
// Run: mpirun -n 2 openmpi_all_reduce all-reduce SECONDS WARM_UP_SECONDS TARGET_US TYPES BYTES...
//      mpirun -n 2 openmpi_all_reduce barrier SECONDS WARM_UP_SECONDS TARGET_US

#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The same as in the job of ours.
static const double ROUND_US = 20000;
static const int WARM_UP_BATCHES = 2;
static const int FIRST_WARM_UPS = 5;
static const int MIN_SAMPLES = 3;
static const int CHECK_PERIOD = 1021;
static const int LATE_NS = 2000000;

static int rank, world_size;

// One collective on one buffer; without a type it is the barrier.
typedef struct {
  MPI_Datatype type;
  size_t length;
  void *array;
} Setting;

typedef struct {
  double *us;
  size_t count, room;
} Samples;

// How calls are grouped: `batches` of `calls` each in a round.
typedef struct {
  int batches, calls;
} Plan;

static double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static void fail(const char *what, double found, double expected) {
  fprintf(stderr, "%s on rank %d of %d: found %.17g, expected %.17g\n", what, rank, world_size,
          found, expected);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static double get(const Setting *setting, size_t i) {
  return setting->type == MPI_FLOAT ? ((float *)setting->array)[i] : ((double *)setting->array)[i];
}

static void set(const Setting *setting, size_t i, double value) {
  if (setting->type == MPI_FLOAT) ((float *)setting->array)[i] = (float)value;
  else ((double *)setting->array)[i] = value;
}

static void call(const Setting *setting) {
  if (setting->length == 0) MPI_Barrier(MPI_COMM_WORLD);
  else MPI_Allreduce(MPI_IN_PLACE, setting->array, (int)setting->length, setting->type, MPI_SUM,
                     MPI_COMM_WORLD);
}

// Rank r gives (r + 1) * (i % period + 1); the sum is exact in both types.
static void check_sum(const Setting *setting) {
  for (size_t i = 0; i < setting->length; i++) {
    set(setting, i, (rank + 1.0) * (double)(i % CHECK_PERIOD + 1));
  }
  call(setting);
  for (size_t i = 0; i < setting->length; i++) {
    double expected = world_size * (world_size + 1) / 2.0 * (double)(i % CHECK_PERIOD + 1);
    if (get(setting, i) != expected) fail("sum", get(setting, i), expected);
  }
}

// Each rank once comes late: nobody may leave before the last has come.
static void check_barrier(void) {
  for (int late = 0; late < world_size; late++) {
    struct timespec pause = {0, rank == late ? LATE_NS : 0};
    nanosleep(&pause, NULL);
    double last_entry_us = now_us();
    MPI_Barrier(MPI_COMM_WORLD);
    double first_exit_us = now_us();
    MPI_Allreduce(MPI_IN_PLACE, &last_entry_us, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    MPI_Allreduce(MPI_IN_PLACE, &first_exit_us, 1, MPI_DOUBLE, MPI_MIN, MPI_COMM_WORLD);
    if (first_exit_us < last_entry_us) fail("first exit", first_exit_us, last_entry_us);
  }
}

static void add_sample(Samples *samples, double us) {
  if (samples->count == samples->room) {
    samples->room = samples->room == 0 ? 1024 : 2 * samples->room;
    samples->us = realloc(samples->us, samples->room * sizeof *samples->us);
    if (samples->us == NULL) fail("memory for samples", 0, (double)samples->room);
  }
  samples->us[samples->count++] = us;
}

// Come together, one call that is not timed, then the batches; until rank 0 has had enough. All
// elements are 0, so that their sums stay numbers like any other.
static void repeat(const Setting *setting, Plan plan, double seconds, Samples *samples) {
  const double end_us = now_us() + seconds * 1e6;
  int goes_on = 1;
  samples->count = 0;
  for (size_t i = 0; i < setting->length; i++) set(setting, i, 0);
  while (goes_on) {
    MPI_Barrier(MPI_COMM_WORLD);
    call(setting);
    double before_us = now_us();
    for (int batch = 0; batch < plan.batches; batch++) {
      for (int i = 0; i < plan.calls; i++) call(setting);
      double after_us = now_us();
      if (rank == 0) add_sample(samples, (after_us - before_us) / plan.calls);
      before_us = after_us;
    }
    goes_on = now_us() < end_us || samples->count < (size_t)MIN_SAMPLES;
    MPI_Bcast(&goes_on, 1, MPI_INT, 0, MPI_COMM_WORLD);
  }
}

static int ascending(const void *a, const void *b) {
  double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

// The nearest rank; sorts.
static double quantile(Samples *samples, double share) {
  qsort(samples->us, samples->count, sizeof *samples->us, ascending);
  size_t at = (size_t)ceil(share * (double)samples->count);
  return samples->us[at > 0 ? at - 1 : 0];
}

// Batches of at least `target_us`, which outweighs reading the clock; 0 for single calls.
static Plan plan_of(double call_us, double target_us) {
  Plan plan = {1, 1};
  while (plan.calls * call_us < target_us) plan.calls *= 2;
  plan.batches = (int)fmax(1, ROUND_US / (plan.calls * call_us));
  return plan;
}

static double p50_of_root(Samples *samples) {
  double p50 = rank == 0 ? quantile(samples, 0.5) : 0;
  MPI_Bcast(&p50, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
  return p50;
}

static void measure(const Setting *setting, double seconds, double warm_up_seconds,
                    double target_us) {
  static Samples samples;
  static int measured;
  if (setting->length == 0) check_barrier();
  else check_sum(setting);
  Plan warm_up = {WARM_UP_BATCHES, 1};
  warm_up_seconds *= measured++ == 0 ? FIRST_WARM_UPS : 1;
  repeat(setting, warm_up, warm_up_seconds, &samples);
  // A single call is timed with its clock, so the first plan has too few; the second is right.
  repeat(setting, plan_of(p50_of_root(&samples), target_us), warm_up_seconds, &samples);
  repeat(setting, plan_of(p50_of_root(&samples), target_us), seconds, &samples);
  if (setting->length > 0) check_sum(setting);
  if (rank != 0) return;
  printf("{");
  if (setting->length > 0) {
    int is_float = setting->type == MPI_FLOAT;
    size_t size_bytes = setting->length * (is_float ? sizeof(float) : sizeof(double));
    printf("\"bytes\":%zu,\"dtype\":\"%s\",", size_bytes, is_float ? "float32" : "float64");
  }
  double min = quantile(&samples, 0), p50 = quantile(&samples, 0.5);
  printf("\"min\":%.6g,\"p50\":%.6g,\"p99\":%.6g}\n", min, p50, quantile(&samples, 0.99));
  fflush(stdout);
}

static void *allocate(size_t size_bytes) {
  void *memory = NULL;
  if (posix_memalign(&memory, 64, size_bytes) != 0) fail("memory", 0, (double)size_bytes);
  return memory;
}

int main(int count_args, char **args) {
  MPI_Init(&count_args, &args);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world_size);
  if (count_args < 5) fail("arguments", count_args, 5);
  double seconds = atof(args[2]), warm_up_seconds = atof(args[3]), target_us = atof(args[4]);
  Setting setting = {MPI_DOUBLE, 0, NULL};
  if (strcmp(args[1], "barrier") == 0) measure(&setting, seconds, warm_up_seconds, target_us);
  size_t most_bytes = 0;
  for (int i = 6; i < count_args; i++) {
    size_t size_bytes = strtoull(args[i], NULL, 10);
    if (size_bytes > most_bytes) most_bytes = size_bytes;
  }
  if (most_bytes > 0) setting.array = allocate(most_bytes);
  for (int i = 6; i < count_args; i++) {
    size_t size_bytes = strtoull(args[i], NULL, 10);
    for (int is_double = 0; is_double < 2; is_double++) {
      if (strstr(args[5], is_double ? "float64" : "float32") == NULL) continue;
      setting.type = is_double ? MPI_DOUBLE : MPI_FLOAT;
      setting.length = size_bytes / (is_double ? sizeof(double) : sizeof(float));
      measure(&setting, seconds, warm_up_seconds, target_us);
    }
  }
  free(setting.array);
  MPI_Finalize();
  return 0;
}
