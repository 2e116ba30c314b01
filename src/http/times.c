/* SPDX-License-Identifier: Apache-2.0 */
#include "http/times.h"

#include "http/path.h"

/* 9999-12-31T23:59:59.999Z */
#define LAST_MS 253402300799999ull

static bool digits(struct bytes text, size_t at, size_t count, uint32_t *ret)
{
    if (text.len < at + count)
        return false;
    uint32_t value = 0;
    for (size_t i = at; i < at + count; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text.data[i] - '0');
    }
    *ret = value;
    return true;
}

static bool is_leap(uint32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static uint32_t days_in_month(uint32_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

/* Days from 1970-01-01 to the date (Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_of(uint32_t year, uint32_t month, uint32_t day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = y / 400, year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

/* Fraction of a second at *at, if there is one; digits beyond the third are cut. */
static bool fraction(struct bytes text, size_t *at, uint32_t *ret_ms)
{
    *ret_ms = 0;
    if (*at >= text.len || text.data[*at] != '.')
        return true;
    uint32_t scale = 100;
    size_t first = ++*at;
    for (; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9'; ++*at) {
        *ret_ms += (uint32_t)(text.data[*at] - '0') * scale;
        scale /= 10;
    }
    return *at > first;
}

/* "Z" or "+hh:mm" up to the end; a space stands for a '+' that a query decoded. */
static bool offset(struct bytes text, size_t at, int64_t *ret_ms)
{
    if (at + 1 == text.len && (text.data[at] | 0x20) == 'z') {
        *ret_ms = 0;
        return true;
    }
    uint32_t hours, minutes;
    if (at + 6 != text.len || text.data[at + 3] != ':' || !digits(text, at + 1, 2, &hours) ||
        !digits(text, at + 4, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    int64_t ms = ((int64_t)hours * 60 + minutes) * 60000;
    if (text.data[at] == '-')
        ms = -ms;
    else if (text.data[at] != '+' && text.data[at] != ' ')
        return false;
    *ret_ms = ms;
    return true;
}

static bool parse_rfc3339(struct bytes text, uint64_t *ret_ms)
{
    uint32_t year, month, day, hour, minute, second, ms;
    int64_t offset_ms;
    if (!digits(text, 0, 4, &year) || !digits(text, 5, 2, &month) || !digits(text, 8, 2, &day) ||
        !digits(text, 11, 2, &hour) || !digits(text, 14, 2, &minute) ||
        !digits(text, 17, 2, &second))
        return false;
    uint8_t between = text.data[10] | 0x20;
    if (text.data[4] != '-' || text.data[7] != '-' || (between != 't' && between != ' ') ||
        text.data[13] != ':' || text.data[16] != ':')
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    size_t at = 19;
    if (!fraction(text, &at, &ms) || at >= text.len || !offset(text, at, &offset_ms))
        return false;
    int64_t value = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60000 +
                    (int64_t)second * 1000 + ms - offset_ms;
    if (value < 0 || (uint64_t)value > LAST_MS)
        return false;
    *ret_ms = (uint64_t)value;
    return true;
}

bool times_parse_duration(struct bytes text, uint64_t max_ms, uint64_t *ret_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"", 1000}};
    size_t len = 0;
    while (len < text.len && text.data[len] >= '0' && text.data[len] <= '9')
        len++;
    struct bytes unit = bytes_of(text.data + len, text.len - len);
    uint64_t value;
    if (!path_number(bytes_of(text.data, len), UINT64_MAX, &value))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!bytes_is_equal(unit, bytes_of_string(units[i].unit)))
            continue;
        if (__builtin_mul_overflow(value, units[i].ms, &value) || value > max_ms)
            return false;
        *ret_ms = value;
        return true;
    }
    return false;
}

bool times_parse(struct bytes text, uint64_t now_ms, uint64_t *ret_ms)
{
    if (text.len > 1 && text.data[0] == '-') {
        uint64_t ago_ms;
        if (!times_parse_duration(bytes_of(text.data + 1, text.len - 1), now_ms, &ago_ms))
            return false;
        *ret_ms = now_ms - ago_ms;
        return true;
    }
    return path_number(text, LAST_MS, ret_ms) || parse_rfc3339(text, ret_ms);
}
