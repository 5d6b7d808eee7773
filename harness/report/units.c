#include "harness/report/units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* How many decimals show three significant digits of value. */
static int decimals(double value)
{
  double magnitude = fabs(value);
  if (magnitude == 0)
    return 0;
  int places = 2 - (int)floor(log10(magnitude));
  /* 9.996 rounds to 10.0, not to 10.00. */
  if (places > 0 && magnitude * pow(10, places) >= 999.5)
    places--;
  return places < 0 ? 0 : places > 12 ? 12 : places;
}

void dyno_format_number(char text[DYNO_UNIT_TEXT], double value)
{
  if (isnan(value))
    strcpy(text, "n/a");
  else if (fabs(value) >= 1e15 || (value != 0 && fabs(value) < 1e-9))
    snprintf(text, DYNO_UNIT_TEXT, "%.2e", value);
  else
    snprintf(text, DYNO_UNIT_TEXT, "%.*f", decimals(value), value);
}

/* value with the prefix of the largest power of base that leaves at least 1. */
static void format_scaled(char text[DYNO_UNIT_TEXT], double value, double base,
                          const char *const *prefixes, size_t count, const char *unit)
{
  if (isnan(value)) {
    strcpy(text, "n/a");
    return;
  }
  size_t power = 0;
  /* 999.5 would be shown as 1000, one prefix too low. */
  while (power + 1 < count && fabs(value) >= (base == 1000 ? 999.5 : base)) {
    value /= base;
    power++;
  }
  char number[DYNO_UNIT_TEXT];
  dyno_format_number(number, value);
  snprintf(text, DYNO_UNIT_TEXT, "%.15s %s%.10s", number, prefixes[power], unit);
}

void dyno_format_bytes(char text[DYNO_UNIT_TEXT], double bytes)
{
  static const char *const prefixes[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
  format_scaled(text, bytes, 1024, prefixes, sizeof prefixes / sizeof *prefixes, "B");
}

void dyno_format_rate(char text[DYNO_UNIT_TEXT], double per_second, const char *unit)
{
  static const char *const prefixes[] = {"", "k", "M", "G", "T", "P"};
  format_scaled(text, per_second, 1000, prefixes, sizeof prefixes / sizeof *prefixes, unit);
}

void dyno_format_seconds(char text[DYNO_UNIT_TEXT], double seconds)
{
  static const char *const prefixes[] = {"n", "µ", "m", ""};
  if (!isnan(seconds) && fabs(seconds) >= 3599.5) {
    double minutes = round(seconds / 60);
    snprintf(text, DYNO_UNIT_TEXT, "%.0f h %02.0f min", trunc(minutes / 60), fmod(minutes, 60));
  } else if (!isnan(seconds) && fabs(seconds) >= 59.95) {
    double whole = round(seconds);
    snprintf(text, DYNO_UNIT_TEXT, "%.0f min %02.0f s", trunc(whole / 60), fmod(whole, 60));
  } else {
    format_scaled(text, seconds * 1e9, 1000, prefixes, sizeof prefixes / sizeof *prefixes, "s");
  }
}

void dyno_format_share(char text[DYNO_UNIT_TEXT], double fraction)
{
  if (isnan(fraction)) {
    strcpy(text, "n/a");
    return;
  }
  char number[DYNO_UNIT_TEXT];
  dyno_format_number(number, fraction * 100);
  snprintf(text, DYNO_UNIT_TEXT, "%.29s %%", number);
}
