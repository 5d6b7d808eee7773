#include "harness/measure/energy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_counter(uint64_t *value, int file)
{
  char text[32];
  ssize_t length = pread(file, text, sizeof text - 1, 0);
  if (length <= 0 || text[0] < '0' || text[0] > '9')
    return false;
  text[length] = '\0';
  errno = 0;
  *value = strtoull(text, NULL, 10);
  return errno == 0;
}

static void give_up(dyno_energy_meter *meter, const char *why)
{
  dyno_energy_close(meter);
  snprintf(meter->reason, sizeof meter->reason, "%s", why);
}

/* False when the counter is there and cannot be read: then the sum would lack a package. */
static bool open_package(dyno_energy_meter *meter, const dyno_roots *roots, unsigned zone)
{
  char line[DYNO_SYSTEM_LINE], path[DYNO_SYSTEM_PATH];
  dyno_energy_package *package = &meter->package[meter->count];
  if (!dyno_sys_line(line, roots, "class/powercap/intel-rapl:%u/name", zone) ||
      strncmp(line, "package", 7) != 0)
    return true;
  dyno_sys_path(path, roots, "class/powercap/intel-rapl:%u/energy_uj", zone);
  package->file = open(path, O_RDONLY | O_CLOEXEC);
  if (package->file < 0) {
    give_up(meter, errno == EACCES || errno == EPERM
                       ? "denied: energy counters are for root; chmod a+r "
                         "/sys/class/powercap/intel-rapl:*/energy_uj"
                       : "error: an energy counter cannot be opened");
    return false;
  }
  meter->count++;
  dyno_sys_line(line, roots, "class/powercap/intel-rapl:%u/max_energy_range_uj", zone);
  package->range = strtoull(line, NULL, 10);
  if (!read_counter(&package->last, package->file)) {
    give_up(meter, "error: an energy counter cannot be read");
    return false;
  }
  return true;
}

void dyno_energy_open(dyno_energy_meter *meter, const dyno_roots *roots)
{
  *meter = (dyno_energy_meter){0};
  for (unsigned zone = 0; zone < DYNO_MOST_PACKAGES; zone++)
    if (!open_package(meter, roots, zone))
      return;
  if (meter->count == 0)
    give_up(meter, "unsupported: no energy counters (RAPL) here; virtual machines have none");
}

void dyno_energy_close(dyno_energy_meter *meter)
{
  for (unsigned i = 0; i < meter->count; i++)
    close(meter->package[i].file);
  meter->count = 0;
}

bool dyno_energy_read(dyno_energy_meter *meter, double *joules)
{
  for (unsigned i = 0; i < meter->count; i++) {
    dyno_energy_package *package = &meter->package[i];
    uint64_t now;
    if (!read_counter(&now, package->file) ||
        (now < package->last && package->range < package->last)) {
      give_up(meter, "error: an energy counter cannot be read any more");
      return false;
    }
    /* The range is the largest value. */
    uint64_t used =
        now >= package->last ? now - package->last : package->range - package->last + now + 1;
    package->last = now;
    meter->joules += (double)used * 1e-6;
  }
  *joules = meter->joules;
  return meter->count > 0;
}
