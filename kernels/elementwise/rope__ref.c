#include "kernels/elementwise/elementwise.h"

void dyno_rope__ref(const dyno_rope_args *args, size_t row0, size_t row1)
{
  size_t half = args->head_size / 2;
  for (size_t t = row0; t < row1; t++) {
    for (size_t head = 0; head < args->heads; head++) {
      float *first = args->values + t * args->stride + head * args->head_size;
      float *second = first + half;
      for (size_t i = 0; i < half; i++) {
        double cosine = (double)args->cosine[t * half + i], sine = (double)args->sine[t * half + i];
        double x = (double)first[i], y = (double)second[i];
        first[i] = (float)(x * cosine - y * sine);
        second[i] = (float)(y * cosine + x * sine);
      }
    }
  }
}
