/* SPDX-License-Identifier: Apache-2.0 */
#include "http/fields.h"

#include "base/utf8.h"

enum err fields_parse(struct request *req, const struct jvalue **ret_object, struct why *why)
{
    const struct jvalue *body;
    if (req->body_form == BODY_IS_EMPTY) {
        *ret_object = NULL;
        return OK;
    }
    enum err err = jvalue_parse(req->body, 1, &req->arena, &body, why);
    if (err != OK)
        return err;
    if (body->kind != JVALUE_OBJECT)
        return why_set(why, ERR_BAD_JSON, "the body is not an object");
    *ret_object = body;
    return OK;
}

static const struct jvalue *find(const struct jvalue *object, const char *name)
{
    const struct jvalue *ret = object == NULL ? NULL : jvalue_find(object, name);
    return ret == NULL || ret->kind == JVALUE_NULL ? NULL : ret;
}

enum err fields_number(const struct jvalue *object, const char *name, uint64_t min, uint64_t max,
                       uint64_t *ret, bool *ret_has, struct why *why)
{
    const struct jvalue *value = find(object, name);
    if (value == NULL)
        return OK;
    if (value->kind != JVALUE_NUMBER || !value->is_integer || value->integer < 0 ||
        (uint64_t)value->integer < min || (uint64_t)value->integer > max)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' is not a whole number from %llu to %llu", name,
                       (unsigned long long)min, (unsigned long long)max);
    *ret = (uint64_t)value->integer;
    if (ret_has != NULL)
        *ret_has = true;
    return OK;
}

enum err fields_text(const struct jvalue *object, const char *name, char *ret, size_t size,
                     struct why *why)
{
    const struct jvalue *value = find(object, name);
    if (value == NULL)
        return OK;
    if (value->kind != JVALUE_STRING || value->string.len >= size ||
        utf8_has_control(value->string))
        return why_set(why, ERR_BAD_PARAMETER,
                       "'%s' is not a text of at most %zu bytes without control characters", name,
                       size - 1);
    if (value->string.len > 0)
        memcpy(ret, value->string.data, value->string.len);
    ret[value->string.len] = '\0';
    return OK;
}

enum err fields_bool(const struct jvalue *object, const char *name, bool *ret, struct why *why)
{
    const struct jvalue *value = find(object, name);
    if (value == NULL)
        return OK;
    if (value->kind != JVALUE_TRUE && value->kind != JVALUE_FALSE)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' is neither true nor false", name);
    *ret = value->kind == JVALUE_TRUE;
    return OK;
}

enum err fields_name(const struct jvalue *object, const char *name, struct bytes *ret,
                     struct why *why)
{
    const struct jvalue *value = find(object, name);
    if (value == NULL)
        return OK;
    if (value->kind != JVALUE_STRING || value->string.len == 0)
        return why_set(why, ERR_BAD_PARAMETER, "'%s' is not a string, or empty", name);
    *ret = value->string;
    return OK;
}
