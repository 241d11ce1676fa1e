#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <zlib.h>

#include "worker/runner/decode.h"

enum { ZLIB = MAX_WBITS, RAW = -MAX_WBITS, GZIP = MAX_WBITS + 16 };

// Appends text in a frame to out.
static void deflate_into(struct buf *out, int window, const char *text, size_t len)
{
    z_stream z = {0};
    unsigned char piece[4096];
    int r;

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (uInt)len;
    do {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        r = deflate(&z, Z_FINISH);
        buf_append(out, piece, sizeof piece - z.avail_out);
    } while (r == Z_OK);
    assert_int_equal(r, Z_STREAM_END);
    deflateEnd(&z);
}

// In pieces of this many bytes. What decode_feed said, else what decode_end did.
static int decode_in(const char *encoding, const struct buf *in, size_t piece, uint64_t max,
                     struct buf *out)
{
    struct decode *d;
    int r = 0;

    assert_int_equal(decode_new(encoding, max, &d), 0);
    for (size_t i = 0; i < in->len; i += piece) {
        size_t n = in->len - i < piece ? in->len - i : piece;
        int fed = decode_feed(d, in->data + i, n, out);
        assert_true(r == 0 || fed == r); // it says the same from then on
        r = fed;
    }
    int ended = decode_end(d);
    assert_true(r == 0 || ended == r);
    decode_free(d);
    return ended;
}

static void comes_to(const char *encoding, const struct buf *in, uint64_t max, int result,
                     const char *expected, size_t expected_len)
{
    const size_t pieces[] = {1, 2, 3, 7, 1000, in->len + 1};

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct buf out = {0};
        int r = decode_in(encoding, in, pieces[i], max, &out);
        if (r != result || out.len != expected_len)
            fail_msg("%s in pieces of %zu: %d, %zu bytes", encoding, pieces[i], r, out.len);
        if (out.len > 0)
            assert_memory_equal(out.data, expected, expected_len);
        buf_done(&out);
    }
}

static const char words[] = "words, words, words, and other words";
#define N_WORDS (sizeof words - 1)

static const struct {
    const char *encoding;
    int window;
} frames[] = {
    {"gzip", GZIP}, {"X-GZip", GZIP}, {" gzip\t", GZIP}, {"deflate", ZLIB}, {"deflate", RAW}};
#define N_FRAMES (sizeof frames / sizeof *frames)

static void each_encoding_is_undone(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FRAMES; i++) {
        struct buf in = {0};
        deflate_into(&in, frames[i].window, words, N_WORDS);
        comes_to(frames[i].encoding, &in, 1000, 0, words, N_WORDS);
        buf_done(&in);
    }
}

static void an_empty_content_is_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FRAMES; i++) {
        struct buf in = {0};
        deflate_into(&in, frames[i].window, "", 0);
        comes_to(frames[i].encoding, &in, 0, 0, "", 0);
        buf_done(&in);
    }
}

static void no_bytes_at_all_are_an_empty_body(void **state)
{
    static const char *const encodings[] = {"gzip", "deflate", "identity"};
    const struct buf in = {0};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        comes_to(encodings[i], &in, 0, 0, "", 0);
}

static void identity_is_the_bytes_as_they_are(void **state)
{
    static const char *const encodings[] = {"identity", "Identity", "", " ", NULL};
    struct buf in = {0};

    (void)state;
    buf_append(&in, "\x1f\x8b\0a", 4);
    for (size_t i = 0; i < 5; i++) {
        comes_to(encodings[i], &in, 4, 0, in.data, 4);
        comes_to(encodings[i], &in, 3, -EFBIG, in.data, 3);
    }
    buf_done(&in);
}

static void other_encodings_are_told(void **state)
{
    static const char *const encodings[] = {"br",       "zstd",  "compress", "gzip, gzip",
                                            "deflate,", "gzipx", "gz ip",    ","};
    struct decode *d = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
        assert_int_equal(decode_new(encodings[i], 1, &d), -EOPNOTSUPP);
    assert_null(d);
    decode_free(NULL);
}

static void what_is_cut_short_is_told_with_what_there_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FRAMES; i++) {
        struct buf in = {0};
        deflate_into(&in, frames[i].window, words, N_WORDS);
        for (size_t len = in.len; len-- > 1;) {
            struct buf cut = {in.data, len, len}, out = {0};
            assert_int_equal(decode_in(frames[i].encoding, &cut, 5, 1000, &out), -EBADMSG);
            assert_true(out.len <= N_WORDS &&
                        memcmp(out.len > 0 ? out.data : "", words, out.len) == 0);
            buf_done(&out);
        }
        buf_done(&in);
    }
}

static void bytes_of_another_kind_are_told(void **state)
{
    static const char *const encodings[] = {"gzip", "deflate"};
    struct buf in = {0};

    (void)state;
    buf_puts(&in, "<html>no encoding at all</html>");
    for (size_t i = 0; i < 2; i++)
        comes_to(encodings[i], &in, 1000, -EBADMSG, "", 0);
    buf_done(&in);
    deflate_into(&in, GZIP, words, N_WORDS);
    in.data[in.len - 5] ^= 1; // of its checksum
    comes_to("gzip", &in, 1000, -EBADMSG, words, N_WORDS);
    buf_done(&in);
}

static void members_of_gzip_follow_each_other(void **state)
{
    struct buf in = {0};
    char *twice = xasprintf("%s%s", words, words);

    (void)state;
    deflate_into(&in, GZIP, words, N_WORDS);
    deflate_into(&in, GZIP, "", 0);
    deflate_into(&in, GZIP, words, N_WORDS);
    comes_to("gzip", &in, 2 * N_WORDS, 0, twice, 2 * N_WORDS);
    comes_to("gzip", &in, N_WORDS, -EFBIG, twice, N_WORDS);
    in.len--;
    comes_to("gzip", &in, 2 * N_WORDS, -EBADMSG, twice, 2 * N_WORDS);
    free(twice);
    buf_done(&in);
}

static void what_follows_the_end_is_skipped(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FRAMES; i++) {
        struct buf in = {0};
        deflate_into(&in, frames[i].window, words, N_WORDS);
        buf_append(&in, "\0\0\x1f\x8bpadding", 11);
        comes_to(frames[i].encoding, &in, N_WORDS, 0, words, N_WORDS);
        buf_done(&in);
    }
}

static void the_last_byte_comes_out_and_not_one_more(void **state)
{
    static const size_t sizes[] = {1, 16383, 16384, 16385, 100000};
    char *zeros = xcalloc(100000, 1);

    (void)state;
    for (size_t i = 0; i < N_FRAMES; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            struct buf in = {0};
            deflate_into(&in, frames[i].window, zeros, sizes[k]);
            comes_to(frames[i].encoding, &in, sizes[k] + 1, 0, zeros, sizes[k]);
            comes_to(frames[i].encoding, &in, sizes[k], 0, zeros, sizes[k]);
            comes_to(frames[i].encoding, &in, sizes[k] - 1, -EFBIG, zeros, sizes[k] - 1);
            buf_done(&in);
        }
    }
    free(zeros);
}

static void what_waits_for_room_comes_out(void **state)
{
    char *zeros = xcalloc(20000, 1);

    (void)state;
    for (size_t size = 16384; size < 16384 + 600; size++) {
        struct buf in = {0}, out = {0};
        deflate_into(&in, RAW, zeros, size);
        assert_int_equal(decode_in("deflate", &in, in.len, size, &out), 0);
        assert_int_equal(out.len, size);
        buf_done(&out);
        buf_done(&in);
    }
    free(zeros);
}

static void bytes_may_end_wherever_room_does(void **state)
{
    const size_t size = 20000;
    char *bytes = xcalloc(size, 1);
    struct buf in = {0};

    (void)state;
    // A last block that is stored (RFC 1951 section 3.2.4).
    buf_append(&in,
               (char[]){1, (char)(size & 0xff), (char)(size >> 8), (char)(~size & 0xff),
                        (char)(~size >> 8 & 0xff)},
               5);
    buf_append(&in, bytes, size);
    for (size_t piece = 16384; piece < 16384 + 10; piece++) {
        struct buf out = {0};
        assert_int_equal(decode_in("deflate", &in, piece, size, &out), 0);
        assert_int_equal(out.len, size);
        buf_done(&out);
    }
    buf_done(&in);
    free(bytes);
}

static void a_bomb_costs_no_more_than_its_bound(void **state)
{
    const size_t size = 64 << 20, max = 1 << 16;
    char *zeros = xcalloc(size, 1);
    struct buf in = {0}, out = {0};

    (void)state;
    deflate_into(&in, GZIP, zeros, size);
    free(zeros);
    assert_int_equal(decode_in("gzip", &in, in.len, max, &out), -EFBIG);
    assert_int_equal(out.len, max);
    assert_true(out.cap <= 4 * max);
    buf_done(&out);
    buf_done(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_encoding_is_undone),
        cmocka_unit_test(an_empty_content_is_one),
        cmocka_unit_test(no_bytes_at_all_are_an_empty_body),
        cmocka_unit_test(identity_is_the_bytes_as_they_are),
        cmocka_unit_test(other_encodings_are_told),
        cmocka_unit_test(what_is_cut_short_is_told_with_what_there_was),
        cmocka_unit_test(bytes_of_another_kind_are_told),
        cmocka_unit_test(members_of_gzip_follow_each_other),
        cmocka_unit_test(what_follows_the_end_is_skipped),
        cmocka_unit_test(the_last_byte_comes_out_and_not_one_more),
        cmocka_unit_test(what_waits_for_room_comes_out),
        cmocka_unit_test(bytes_may_end_wherever_room_does),
        cmocka_unit_test(a_bomb_costs_no_more_than_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
