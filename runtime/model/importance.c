#include "runtime/model/importance.h"

#include <stdlib.h>

void dyno_importance_free(dyno_importance *importance)
{
  for (size_t i = 0; i < importance->count; i++)
    free(importance->columns[i]);
  free(importance->columns);
  *importance = (dyno_importance){0};
}
