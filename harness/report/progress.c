#include "harness/report/progress.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernels/base/clock.h"

static const uint64_t first_after_ns = UINT64_C(1000000000);
static const uint64_t redraw_after_ns = UINT64_C(200000000);

enum { BAR_COLUMNS = 24, NARROWEST = 20, WIDEST = 160 };

void dyno_progress_start(dyno_progress *progress, FILE *stream, double total)
{
  *progress = (dyno_progress){.total = total, .start_ns = dyno_clock_ns()};
  if (isatty(fileno(stream)))
    progress->stream = stream;
}

static unsigned terminal_width(FILE *stream)
{
  struct winsize size;
  if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return 80;
  /* A line that fills the last column wraps on some terminals. */
  unsigned width = size.ws_col - 1u;
  return width < NARROWEST ? NARROWEST : width > WIDEST ? WIDEST : width;
}

static void format_left(char *text, size_t bytes, double fraction, double elapsed)
{
  text[0] = '\0';
  if (fraction <= 0)
    return;
  double left = ceil(elapsed * (1 - fraction) / fraction);
  if (left < 3600)
    snprintf(text, bytes, "  %.0f:%02.0f left", floor(left / 60), fmod(left, 60));
  else if (left < 100 * 3600)
    snprintf(text, bytes, "  %.0f:%02.0f:%02.0f left", floor(left / 3600),
             floor(fmod(left, 3600) / 60), fmod(left, 60));
}

void dyno_progress_text(char *text, size_t text_bytes, unsigned width, double fraction,
                        double elapsed_seconds, const char *label)
{
  fraction = fmin(fmax(fraction, 0), 1);
  char bar[BAR_COLUMNS + 1], left[32];
  size_t full = (size_t)(fraction * BAR_COLUMNS);
  memset(bar, '.', BAR_COLUMNS);
  memset(bar, '#', full);
  bar[BAR_COLUMNS] = '\0';
  format_left(left, sizeof left, fraction, elapsed_seconds);
  /* The percentage is rounded down: 100 % means that it is done. */
  snprintf(text, text_bytes, "[%s] %3.0f %%%s  %s", bar, floor(fraction * 100), left, label);
  if (strlen(text) > width)
    text[width] = '\0';
}

void dyno_progress_update(dyno_progress *progress, double done, const char *label)
{
  if (progress->stream == NULL)
    return;
  uint64_t now = dyno_clock_ns();
  if (now - progress->start_ns < first_after_ns ||
      (progress->drawn && now - progress->drawn_ns < redraw_after_ns))
    return;
  char text[4 * WIDEST];
  dyno_progress_text(text, sizeof text, terminal_width(progress->stream), done / progress->total,
                     (double)(now - progress->start_ns) * 1e-9, label);
  fprintf(progress->stream, "\r%s\033[K", text);
  fflush(progress->stream);
  progress->drawn = true;
  progress->drawn_ns = now;
}

void dyno_progress_clear(dyno_progress *progress)
{
  if (progress->stream == NULL || !progress->drawn)
    return;
  fputs("\r\033[K", progress->stream);
  fflush(progress->stream);
  progress->drawn = false;
}
