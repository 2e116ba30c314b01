/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: what cuts the byte stream between two nodes into pieces.
 *
 *   0  le32 magic "LETH"
 *   4  u8   version
 *   5  u8   kind
 *   6  le16 flags
 *   8  le32 length of the body
 *   12 le32 crc32c of the 12 bytes above, then of the body
 *   16      body
 *
 * Knows where a frame begins and ends, and whether it arrived whole. Refuses to know what is in
 * it. The frame_reader owns the bytes that wait for the rest of their frame. Not thread-safe. */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "base/buf.h"
#include "base/why.h"

enum { FRAME_HEADER_BYTES = 16 };

enum frame_kind {
    FRAME_HELLO = 1,       /* hello.h: the first frame of who connected */
    FRAME_HELLO_REPLY = 2, /* hello.h: its answer; the last frame if it refuses */
    FRAME_PACKETS = 3,     /* packet.h */
    FRAME_HEARTBEATS = 4,  /* packet.h: the lane that is written first: heartbeats and votes */
    FRAME_REQUEST = 5,     /* call.h */
    FRAME_RESPONSE = 6,    /* call.h */
    FRAME_INSTALL = 7,     /* chunk.h */
    FRAME_DIGESTS = 8,     /* digest.h */
    FRAME_PING = 9,        /* a le64 that means something to its sender */
    FRAME_PONG = 10,       /* the same le64 */
    FRAME_KINDS            /* one more than the last */
};

struct frame {
    uint8_t version, kind; /* enum frame_kind */
    uint16_t flags;        /* none is known yet: always 0 */
    struct bytes body;     /* borrowed */
};

/* The largest body of this kind; 0 for a kind that is not known. */
uint32_t frame_max_bytes(uint8_t kind);

/* Appends a whole frame to buf. The body must be within frame_max_bytes (asserts). */
void frame_encode(struct buf *buf, enum frame_kind kind, struct bytes body);
/* The same without a copy: begin, append the body to buf, end. Returns where the frame begins,
 * which frame_end wants back. */
size_t frame_begin(struct buf *buf, enum frame_kind kind);
void frame_end(struct buf *buf, size_t begin);

void frame_encode_ping(struct buf *buf, bool is_pong, uint64_t number);
/* ERR_BAD_FORMAT: not a ping's body. */
MUST_USE enum err frame_decode_ping(struct bytes body, uint64_t *ret_number, struct why *why);

/* Bytes in, frames out. A zeroed one is empty and ready, but reads nothing larger than a HELLO
 * until frame_reader_trust: a stranger gets no more memory than that. */
struct frame_reader {
    struct buf buf; /* owned: what was fed; [at, len) is not read yet */
    size_t at;
    bool trusted, failed;
};

void frame_reader_init(struct frame_reader *reader);
void frame_reader_done(struct frame_reader *reader);
/* The peer proved who it is: frames of every kind and size from here on. */
void frame_reader_trust(struct frame_reader *reader);
/* Takes a copy of bytes. Ends the life of the last frame's body. The caller feeds what one read of
 * the socket gave and then takes all frames, so that no more than one frame and one read wait. */
void frame_reader_feed(struct frame_reader *reader, struct bytes bytes);
/* The next whole frame; *ret_has is false when more bytes must come first (then *ret is
 * untouched). The body is borrowed until the next feed, trust or done.
 * Errors: ERR_BAD_FORMAT    damaged, too large, or not a frame at all: drop the link. All later
 *                           calls fail too: where the next frame begins is not known any more.
 *         ERR_WRONG_FORMAT  a version or kind this build does not speak: drop the link as well. */
MUST_USE enum err frame_reader_next(struct frame_reader *reader, struct frame *ret, bool *ret_has,
                                    struct why *why);

#endif
