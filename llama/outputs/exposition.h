/*
 * exposition: Prometheus' text format, version 0.0.4, written by hand into a buffer. Pure.
 *
 * A sample is exposition_sample, then its labels, then one value. Whatever stands in a label's value, the
 * line stays one line: names of families and labels are words of ours, values of labels are escaped. Source:
 * Prometheus, "Exposition formats".
 */
#ifndef EXPOSITION_H
#define EXPOSITION_H

#include "buf.h"
#include "histogram.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* HELP and TYPE; before the family's samples, once. `help` is one line without backslashes. */
void exposition_family(struct buf *out, const char *name, const char *type, const char *help);

void exposition_sample(struct buf *out, const char *name);
/* Valid UTF-8 expected; U+0000, at which readers stop, becomes U+FFFD. */
void exposition_label(struct buf *out, const char *name, const char *value, size_t len);
void exposition_word(struct buf *out, const char *name, const char *value); /* a label too; NUL-terminated */
void exposition_int(struct buf *out, int64_t value);
/* The shortest form that reads back; NaN and infinities as the format has them. */
void exposition_double(struct buf *out, double value);
/* A number's own digits, as JSON has them. */
void exposition_digits(struct buf *out, const char *digits, size_t len);

/* A family of one sample without labels. */
void exposition_one(struct buf *out, const char *name, const char *type, const char *help, double value);
/* A whole family of type histogram. */
void exposition_histogram(struct buf *out, const char *name, const char *help,
                          const struct histogram *histogram);

#endif
