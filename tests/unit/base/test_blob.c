/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <pthread.h>

#include "base/blob.h"

START_TEST(counts_its_references)
{
    struct blob *blob = blob_copy(bytes_of_string("payload"));
    ck_assert(bytes_is_equal(blob_bytes(blob), bytes_of_string("payload")));
    ck_assert_ptr_eq(blob_ref(blob), blob);
    blob_unref(blob);
    ck_assert(bytes_is_equal(blob_bytes(blob), bytes_of_string("payload")));
    blob_unref(blob);
    blob_unref(NULL);
    struct blob *nothing = blob_copy(BYTES_NONE);
    ck_assert_uint_eq(blob_bytes(nothing).len, 0);
    blob_unref(nothing);
}
END_TEST

/* Each thread takes and drops references while it reads; a sanitizer sees a free that came too
 * early, and a leak when it never came. */
static void *share(void *arg)
{
    struct blob *blob = arg;
    uintptr_t sum = 0;
    for (int i = 0; i < 20000; i++) {
        struct blob *mine = blob_ref(blob);
        sum += mine->data[i % 1000];
        blob_unref(mine);
    }
    blob_unref(blob);
    return (void *)sum;
}

START_TEST(is_shared_by_threads)
{
    enum { THREADS = 4 };
    struct blob *blob = blob_new(1000);
    memset(blob->data, 3, 1000);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, share, blob_ref(blob)), 0);
    blob_unref(blob);
    for (int i = 0; i < THREADS; i++) {
        void *sum;
        ck_assert_int_eq(pthread_join(threads[i], &sum), 0);
        ck_assert_uint_eq((uintptr_t)sum, 60000);
    }
}
END_TEST

static void make_too_large(void)
{
    blob_unref(blob_new((size_t)1 << 31));
}

START_TEST(refuses_what_its_length_cannot_hold)
{
    ck_assert_int_eq(dies(make_too_large), 1);
}
END_TEST

Suite *suite_blob(void)
{
    return UNIT_SUITE("blob", 60, counts_its_references, is_shared_by_threads,
                      refuses_what_its_length_cannot_hold);
}
