#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/bench_html_internal.h"

/* Where an id is made or used. */
static const char *const id_marks[] = {" id=\"", " id='", "href='#", "href=\"#", "url(#"};

/* plots/style.gp's inks, as gnuplot spells them, and the page's; in quotes, so that nothing
 * else can be meant. */
static const struct {
  const char *ink, *here;
} inks[] = {
    {"\"black\"", "\"var(--ink)\""},
    {"'black'", "'var(--ink)'"},
    {"\"#ffffff\"", "\"none\""},
    {"'rgb( 31,  35,  40)'", "'var(--ink)'"},
    {"\"rgb( 31,  35,  40)\"", "\"var(--ink)\""},
    {"'rgb(31,35,40)'", "'var(--ink)'"},
    {"\"rgb(31,35,40)\"", "\"var(--ink)\""},
    {"'rgb( 89,  99, 110)'", "'var(--muted)'"},
    {"\"rgb( 89,  99, 110)\"", "\"var(--muted)\""},
    {"\"rgb(89,99,110)\"", "\"var(--muted)\""},
    {"'rgb(209, 217, 224)'", "'var(--faint)'"},
    {"\"rgb(209, 217, 224)\"", "\"var(--faint)\""},
    {"'rgb(255, 255, 255)'", "'var(--paper)'"},
    {"\"rgb(255, 255, 255)\"", "\"var(--paper)\""},
};

/* Text between tags is copied as it is: only tags have ids and inks. */
static const char *copy_text(FILE *stream, const char *at)
{
  size_t length = strcspn(at, "<");
  fwrite(at, 1, length, stream);
  return at + length;
}

static size_t copy_mark(FILE *stream, const char *at, const char *prefix)
{
  for (size_t i = 0; i < sizeof id_marks / sizeof *id_marks; i++) {
    size_t length = strlen(id_marks[i]);
    if (strncmp(at, id_marks[i], length) == 0) {
      fprintf(stream, "%s%s-", id_marks[i], prefix);
      return length;
    }
  }
  for (size_t i = 0; i < sizeof inks / sizeof *inks; i++) {
    size_t length = strlen(inks[i].ink);
    if (strncmp(at, inks[i].ink, length) == 0) {
      fputs(inks[i].here, stream);
      return length;
    }
  }
  return 0;
}

static const char *copy_tag(FILE *stream, const char *at, const char *prefix)
{
  while (*at != '\0' && *at != '>') {
    size_t length = copy_mark(stream, at, prefix);
    if (length == 0)
      fputc(*at, stream);
    at += length > 0 ? length : 1;
  }
  if (*at == '>')
    fputc(*at++, stream);
  return at;
}

void dyno_html_svg(FILE *stream, const char *svg, const char *prefix)
{
  const char *at = strstr(svg, "<svg");
  if (at == NULL)
    return;
  fprintf(stream, "<svg role=\"img\" ");
  at += strlen("<svg");
  /* The width is the page's: the size in pixels goes, its proportions stay in the viewBox. */
  for (const char *end = strchr(at, '>'); at < end;) {
    if (strncmp(at, " width=", 7) == 0)
      at = strchr(at, '\n');
    else
      fputc(*at++, stream);
  }
  while (*at != '\0')
    at = *at == '<' ? copy_tag(stream, at, prefix) : copy_text(stream, at);
}
