//! Rows of MySQL's text protocol as fields of PostgreSQL's binary COPY, or as one JSON value of them: the bytes that
//! encoding.py makes, for the values that most rows are made of. Any other is unfit, and its row is left to Python, which
//! can tell what is wrong with it.

const std = @import("std");
const fields = @import("fields.zig");
const Writer = fields.Writer;

pub const Error = error{Unfit};
const most_groups = 40; // of four digits; a DECIMAL of MySQL's has 65 digits
const epoch = days_of(2000, 1, 1); // PostgreSQL counts from here

/// The first packet of those that follow each other. Null: it has not all come.
pub fn packet_of(bytes: []const u8) ?[]const u8 {
    if (bytes.len < 4) return null;
    const length = std.mem.readInt(u24, bytes[0..3], .little);
    return if (bytes.len - 4 < length) null else bytes[4..][0..length];
}

/// Whether a packet is a row, and all of it: no end, no error, not the first of several.
pub fn is_row(packet: []const u8) bool {
    if (packet.len == 0 or packet.len == std.math.maxInt(u24)) return false;
    return packet[0] != 0xff and (packet[0] != 0xfe or packet.len >= 9);
}

pub fn write_fields(writer: *Writer, shape: []const fields.Field, packet: []const u8) Error!void {
    var rest = packet;
    for (shape) |field| {
        if (try next(&rest)) |value| {
            const begin = writer.begin_value();
            try put_field(writer, field.kind, value);
            writer.end_value(begin);
        } else {
            writer.binary(i32, -1);
        }
    }
    if (rest.len > 0) return error.Unfit;
}

pub fn write_object(writer: *Writer, shape: []const fields.Field, packet: []const u8) Error!void {
    var rest = packet;
    writer.byte('{');
    for (shape) |field| {
        writer.put(field.name[0..field.name_bytes]);
        if (try next(&rest)) |value| {
            try put_part(writer, field.kind, value);
        } else {
            writer.put("null");
        }
    }
    writer.byte('}');
    if (rest.len > 0) return error.Unfit;
}

/// The next value of a row, which has its length before it. Null: it is NULL.
fn next(rest: *[]const u8) Error!?[]const u8 {
    const first = (try take(rest, 1))[0];
    const length: u64 = switch (first) {
        0xfb => return null,
        0xfc => std.mem.readInt(u16, (try take(rest, 2))[0..2], .little),
        0xfd => std.mem.readInt(u24, (try take(rest, 3))[0..3], .little),
        0xfe => std.mem.readInt(u64, (try take(rest, 8))[0..8], .little),
        0xff => return error.Unfit,
        else => first,
    };
    return try take(rest, length);
}

fn take(rest: *[]const u8, count: u64) Error![]const u8 {
    if (rest.len < count) return error.Unfit;
    defer rest.* = rest.*[@intCast(count)..];
    return rest.*[0..@intCast(count)];
}

/// A value as it stands in a message.
fn put_field(writer: *Writer, kind: fields.Kind, value: []const u8) Error!void {
    switch (kind) {
        .string => writer.put(try checked(value)),
        .json => writer.put(try document(value)),
        .bytea => writer.put(value),
        .boolean => writer.byte(@intFromBool(try integer(i64, value) != 0)),
        .int2 => writer.binary(i16, try integer(i16, value)),
        .int4 => writer.binary(i32, try integer(i32, value)),
        .int8 => writer.binary(i64, try integer(i64, value)),
        .float4 => writer.binary(u32, @bitCast(try single(value))),
        .float8 => writer.binary(u64, @bitCast(try double(value))),
        .numeric => try put_numeric(writer, value),
        .uuid => try put_uuid(writer, value),
        .date => writer.binary(i32, @intCast(try day(value))),
        .timestamp, .timestamptz => writer.binary(i64, try moment(value)),
        .interval => {
            writer.binary(i64, try span(value));
            writer.binary(u64, 0); // days and months
        },
        .number, .jsonb, .other => return error.Unfit,
    }
}

/// A value as it stands in JSON.
fn put_part(writer: *Writer, kind: fields.Kind, value: []const u8) Error!void {
    switch (kind) {
        .string, .uuid, .interval => writer.string(try checked(value)),
        .json => writer.put(try document(value)),
        .bytea => writer.hex_string(value),
        .boolean => writer.put(if (try integer(i64, value) != 0) "true" else "false"),
        .int2, .int4, .int8 => writer.integer(try integer(i64, value)),
        .float4 => try put_shortest(writer, try single(value)),
        .float8 => try put_shortest(writer, try double(value)),
        .numeric => writer.put(try decimal(value)),
        .date => {
            _ = try day(value);
            writer.quoted(value);
        },
        .timestamp, .timestamptz => {
            _ = try moment(value);
            writer.byte('"');
            writer.put(value[0..10]);
            writer.byte('T');
            writer.put(value[11..]);
            writer.put(if (kind == .timestamptz) "+00:00\"" else "\"");
        },
        .number, .jsonb, .other => return error.Unfit,
    }
}

// Texts

/// UTF-8 without the character zero, which PostgreSQL cannot store.
fn checked(value: []const u8) Error![]const u8 {
    if (std.mem.indexOfScalar(u8, value, 0) != null or !std.unicode.utf8ValidateSlice(value)) return error.Unfit;
    return value;
}

/// JSON, checked, because a part of an object must not be able to change the rest of it.
fn document(value: []const u8) Error![]const u8 {
    var nesting: [4096]u8 = undefined;
    var memory = std.heap.FixedBufferAllocator.init(&nesting);
    if (!(std.json.validate(memory.allocator(), value) catch return error.Unfit)) return error.Unfit;
    return checked(value);
}

fn put_uuid(writer: *Writer, value: []const u8) Error!void {
    var text: [32]u8 = undefined;
    var count: usize = 0;
    for (value) |character| {
        if (character == '-') continue;
        if (count == text.len) return error.Unfit;
        text[count] = character;
        count += 1;
    }
    var bytes: [16]u8 = undefined;
    if (count != text.len) return error.Unfit;
    writer.put(std.fmt.hexToBytes(&bytes, &text) catch return error.Unfit);
}

// Numbers

/// Digits, perhaps after a sign, and nothing else.
fn integer(Int: type, value: []const u8) Error!Int {
    const negative = value.len > 0 and value[0] == '-';
    const digits = if (negative) value[1..] else value;
    if (digits.len == 0 or digits.len > 20) return error.Unfit;
    var total: i128 = 0;
    for (digits) |digit| total = total * 10 + try digit_of(digit);
    return std.math.cast(Int, if (negative) -total else total) orelse error.Unfit;
}

fn digit_of(character: u8) Error!u8 {
    return if (std.ascii.isDigit(character)) character - '0' else error.Unfit;
}

fn double(value: []const u8) Error!f64 {
    for (value) |character| {
        if (!std.ascii.isDigit(character) and std.mem.indexOfScalar(u8, "+-.e", character) == null) return error.Unfit;
    }
    const number = std.fmt.parseFloat(f64, value) catch return error.Unfit;
    return if (std.math.isFinite(number)) number else error.Unfit;
}

fn single(value: []const u8) Error!f32 {
    const whole = try double(value);
    const number: f32 = @floatCast(whole);
    return if (number == whole) number else error.Unfit; // of a query, say; Python rounds it
}

/// The fewest digits that read as the same number, where they need no exponent.
fn put_shortest(writer: *Writer, number: anytype) Error!void {
    const size = @abs(number);
    if (size != 0 and (size < 1e-4 or size >= 1e15)) return error.Unfit;
    var text: [64]u8 = undefined;
    writer.put(std.fmt.bufPrint(&text, "{d}", .{number}) catch return error.Unfit);
}

/// A decimal's text without the zeros that ZEROFILL puts before it, which JSON does not allow.
fn decimal(value: []const u8) Error![]const u8 {
    const parts = try Decimal.of(value);
    if (parts.negative) return value;
    var text = value;
    while (text.len > 1 and text[0] == '0' and text[1] != '.') text = text[1..];
    return text;
}

const Decimal = struct {
    negative: bool,
    whole: []const u8,
    fraction: []const u8,

    fn of(value: []const u8) Error!Decimal {
        const negative = value.len > 0 and value[0] == '-';
        const digits = if (negative) value[1..] else value;
        const point = std.mem.indexOfScalar(u8, digits, '.') orelse digits.len;
        const parts = Decimal{
            .negative = negative,
            .whole = digits[0..point],
            .fraction = digits[@min(point + 1, digits.len)..],
        };
        if (parts.whole.len == 0 or (point < digits.len and parts.fraction.len == 0)) return error.Unfit;
        for (parts.whole) |digit| _ = try digit_of(digit);
        for (parts.fraction) |digit| _ = try digit_of(digit);
        return parts;
    }
};

/// Groups of four digits to both sides of the point, without those before and after that are zero.
fn put_numeric(writer: *Writer, value: []const u8) Error!void {
    const parts = try Decimal.of(value);
    const before = (parts.whole.len + 3) / 4;
    const count = before + (parts.fraction.len + 3) / 4;
    var groups: [most_groups]u16 = @splat(0);
    if (count > groups.len) return error.Unfit;
    for (parts.whole, 0..) |digit, at| add_digit(&groups[before - (parts.whole.len - at + 3) / 4], digit);
    for (0..count * 4 - before * 4) |at| {
        add_digit(&groups[before + at / 4], if (at < parts.fraction.len) parts.fraction[at] else '0');
    }
    var first: usize = 0;
    while (first < count and groups[first] == 0) first += 1;
    var end = count;
    while (end > first and groups[end - 1] == 0) end -= 1;
    const none = first == end;
    writer.binary(u16, @intCast(end - first));
    writer.binary(i16, if (none) 0 else @intCast(@as(isize, @intCast(before)) - 1 - @as(isize, @intCast(first))));
    writer.binary(u16, if (parts.negative and !none) 0x4000 else 0);
    writer.binary(u16, @intCast(parts.fraction.len));
    for (groups[first..end]) |group| writer.binary(u16, group);
}

fn add_digit(group: *u16, digit: u8) void {
    group.* = group.* * 10 + (digit - '0');
}

// Dates and times

/// Of YYYY-MM-DD, since 2000-01-01.
fn day(value: []const u8) Error!i64 {
    if (value.len != 10 or value[4] != '-' or value[7] != '-') return error.Unfit;
    const year = try count_of(value[0..4], 9999);
    const month = try count_of(value[5..7], 12);
    const date = try count_of(value[8..10], 31);
    if (year == 0 or month == 0 or date == 0 or date > days_in(year, month)) return error.Unfit;
    return days_of(year, month, date) - epoch;
}

/// Of YYYY-MM-DD hh:mm:ss[.ffffff], in microseconds since 2000-01-01.
fn moment(value: []const u8) Error!i64 {
    if (value.len < 19 or value[10] != ' ' or value[13] != ':' or value[16] != ':') return error.Unfit;
    const hours = try count_of(value[11..13], 23);
    const minutes = try count_of(value[14..16], 59);
    const seconds = try count_of(value[17..19], 59);
    const since = (try day(value[0..10]) * 24 + hours) * 3600 + minutes * 60 + seconds;
    return since * 1_000_000 + try fraction_of(value[19..]);
}

/// Of [-]hours:mm:ss[.ffffff], in microseconds.
fn span(value: []const u8) Error!i64 {
    const negative = value.len > 0 and value[0] == '-';
    const text = if (negative) value[1..] else value;
    const colon = std.mem.indexOfScalar(u8, text, ':') orelse return error.Unfit;
    const rest = text[colon + 1 ..];
    if (colon == 0 or colon > 3 or rest.len < 5 or rest[2] != ':') return error.Unfit;
    const hours = try count_of(text[0..colon], 999);
    const minutes = try count_of(rest[0..2], 59);
    const seconds = try count_of(rest[3..5], 59);
    const total = (hours * 3600 + minutes * 60 + seconds) * 1_000_000 + try fraction_of(rest[5..]);
    return if (negative) -total else total;
}

/// Microseconds of a point and up to six digits, or of nothing.
fn fraction_of(text: []const u8) Error!i64 {
    if (text.len == 0) return 0;
    if (text[0] != '.' or text.len == 1 or text.len > 7) return error.Unfit;
    var total: i64 = 0;
    for (1..7) |at| total = total * 10 + (if (at < text.len) try digit_of(text[at]) else 0);
    return total;
}

fn count_of(text: []const u8, most: i64) Error!i64 {
    var total: i64 = 0;
    for (text) |character| total = total * 10 + try digit_of(character);
    return if (total > most) error.Unfit else total;
}

fn days_in(year: i64, month: i64) i64 {
    const leap = @mod(year, 4) == 0 and (@mod(year, 100) != 0 or @mod(year, 400) == 0);
    return if (month == 2) 28 + @as(i64, @intFromBool(leap)) else 30 + @mod(month + @divFloor(month, 8), 2);
}

/// Days since 0000-03-01 of the Gregorian calendar, whose years begin in March here: a leap day is their last.
fn days_of(year: i64, month: i64, date: i64) i64 {
    const years = year - @intFromBool(month <= 2);
    const months = @mod(month + 9, 12);
    const leaps = @divFloor(years, 4) - @divFloor(years, 100) + @divFloor(years, 400);
    return years * 365 + leaps + @divFloor(153 * months + 2, 5) + date - 1;
}
