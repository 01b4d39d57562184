//! A row of PostgreSQL's binary COPY as one JSON value: byte for byte what the server's own row_to_json makes of it, at
//! a small part of the server's time. What has no kind here comes as JSON that the server has made.

const std = @import("std");

/// What a field's bytes are, and so how they are written. Numbered as walker.py's Kind.
pub const Kind = enum(u8) {
    json, // as it is
    jsonb,
    number, // as text: NaN and infinities are no numbers in JSON
    string,
    boolean,
    int2,
    int4,
    int8,
    numeric,
    uuid,
    bytea,
    date,
    timestamp,
    timestamptz,
};

/// Laid out as walker.py's Field.
pub const Field = extern struct {
    name: [*]const u8, // the comma before it, the name in JSON, the colon
    name_bytes: usize,
    kind: Kind,
};

/// What does not fit is counted, so that the room for it can be made.
pub const Writer = struct {
    room: []u8,
    used: usize = 0,

    pub fn put(writer: *Writer, bytes: []const u8) void {
        if (writer.used + bytes.len <= writer.room.len) @memcpy(writer.room[writer.used..][0..bytes.len], bytes);
        writer.used += bytes.len;
    }

    fn byte(writer: *Writer, value: u8) void {
        if (writer.used < writer.room.len) writer.room[writer.used] = value;
        writer.used += 1;
    }
};

pub const Error = error{Malformed};

/// Write a row's fields, as they follow its count of fields, as an object.
pub fn write(writer: *Writer, fields: []const Field, row: []const u8) Error!void {
    var rest = row;
    writer.byte('{');
    for (fields) |field| {
        writer.put(field.name[0..field.name_bytes]);
        const length = std.mem.readInt(i32, (try take(&rest, 4))[0..4], .big);
        if (length < 0) {
            writer.put("null");
        } else {
            try put_value(writer, field.kind, try take(&rest, @intCast(length)));
        }
    }
    writer.byte('}');
    if (rest.len > 0) return error.Malformed;
}

fn take(rest: *[]const u8, count: usize) Error![]const u8 {
    if (rest.len < count) return error.Malformed;
    defer rest.* = rest.*[count..];
    return rest.*[0..count];
}

fn put_value(writer: *Writer, kind: Kind, value: []const u8) Error!void {
    switch (kind) {
        .json => writer.put(value),
        .jsonb => {
            if (value.len == 0 or value[0] != 1) return error.Malformed; // the version of its binary form
            writer.put(value[1..]);
        },
        .number => if (is_number(value)) writer.put(value) else put_quoted(writer, value),
        .string => put_string(writer, value),
        .boolean => writer.put(if (try integer(i8, value) != 0) "true" else "false"),
        .int2 => put_integer(writer, try integer(i16, value)),
        .int4 => put_integer(writer, try integer(i32, value)),
        .int8 => put_integer(writer, try integer(i64, value)),
        .numeric => try put_numeric(writer, value),
        .uuid => try put_uuid(writer, value),
        .bytea => {
            writer.put("\"\\\\x");
            put_hex(writer, value);
            writer.byte('"');
        },
        .date => put_date(writer, try integer(i32, value)),
        .timestamp => put_timestamp(writer, try integer(i64, value), ""),
        .timestamptz => put_timestamp(writer, try integer(i64, value), "+00:00"),
    }
}

fn integer(Int: type, value: []const u8) Error!Int {
    if (value.len != @sizeOf(Int)) return error.Malformed;
    return std.mem.readInt(Int, value[0..@sizeOf(Int)], .big);
}

// Texts

fn put_quoted(writer: *Writer, text: []const u8) void {
    writer.byte('"');
    writer.put(text);
    writer.byte('"');
}

/// As escape_json: what must be escaped, and nothing else.
fn put_string(writer: *Writer, text: []const u8) void {
    var rest = text;
    writer.byte('"');
    while (true) {
        const plain = plain_bytes(rest);
        writer.put(rest[0..plain]);
        if (plain == rest.len) break;
        put_escaped(writer, rest[plain]);
        rest = rest[plain + 1 ..];
    }
    writer.byte('"');
}

/// How many bytes at the beginning stand for themselves.
fn plain_bytes(text: []const u8) usize {
    const lanes = 16;
    var at: usize = 0;
    while (at + lanes <= text.len) : (at += lanes) {
        const bytes: @Vector(lanes, u8) = text[at..][0..lanes].*;
        const control: u16 = @bitCast(bytes < @as(@Vector(lanes, u8), @splat(' ')));
        const quote: u16 = @bitCast(bytes == @as(@Vector(lanes, u8), @splat('"')));
        const backslash: u16 = @bitCast(bytes == @as(@Vector(lanes, u8), @splat('\\')));
        const special = control | quote | backslash;
        if (special != 0) return at + @ctz(special);
    }
    while (at < text.len and text[at] >= ' ' and text[at] != '"' and text[at] != '\\') at += 1;
    return at;
}

fn put_escaped(writer: *Writer, byte: u8) void {
    switch (byte) {
        '"' => writer.put("\\\""),
        '\\' => writer.put("\\\\"),
        8 => writer.put("\\b"),
        '\t' => writer.put("\\t"),
        '\n' => writer.put("\\n"),
        12 => writer.put("\\f"),
        '\r' => writer.put("\\r"),
        else => {
            writer.put("\\u00");
            put_hex(writer, &.{byte});
        },
    }
}

fn put_hex(writer: *Writer, bytes: []const u8) void {
    const digits = "0123456789abcdef";
    for (bytes) |byte| writer.put(&.{ digits[byte >> 4], digits[byte & 15] });
}

fn put_uuid(writer: *Writer, value: []const u8) Error!void {
    if (value.len != 16) return error.Malformed;
    const groups = [_]usize{ 0, 4, 6, 8, 10, 16 };
    for (groups[0 .. groups.len - 1], groups[1..]) |begin, end| {
        writer.byte(if (begin == 0) '"' else '-');
        put_hex(writer, value[begin..end]);
    }
    writer.byte('"');
}

// Numbers

fn is_number(text: []const u8) bool {
    const digits = if (text.len > 0 and text[0] == '-') text[1..] else text;
    return digits.len > 0 and std.ascii.isDigit(digits[0]);
}

fn put_integer(writer: *Writer, value: i64) void {
    if (value < 0) writer.byte('-');
    put_digits(writer, @abs(value), 1);
}

/// In decimal, with zeros before it up to `width`.
fn put_digits(writer: *Writer, value: u64, width: usize) void {
    var text: [20]u8 = @splat('0');
    var begin = text.len;
    var left = value;
    while (left >= 100) : (left /= 100) {
        begin -= 2;
        text[begin..][0..2].* = pair(left % 100);
    }
    begin -= 2;
    text[begin..][0..2].* = pair(left);
    if (left < 10) begin += 1;
    writer.put(text[@min(begin, text.len - width)..]);
}

fn pair(value: u64) [2]u8 {
    return .{ '0' + @as(u8, @intCast(value / 10)), '0' + @as(u8, @intCast(value % 10)) };
}

/// Groups of four decimal digits: their count, the first one's power of 10000, a sign, the digits after the point.
fn put_numeric(writer: *Writer, value: []const u8) Error!void {
    if (value.len < 8) return error.Malformed;
    const sign = std.mem.readInt(u16, value[4..6], .big);
    switch (sign) {
        0x0000 => {},
        0x4000 => writer.byte('-'),
        0xc000 => return writer.put("\"NaN\""),
        0xd000 => return writer.put("\"Infinity\""),
        0xf000 => return writer.put("\"-Infinity\""),
        else => return error.Malformed,
    }
    const groups = Groups{ .bytes = value[8..], .count = std.mem.readInt(u16, value[0..2], .big) };
    if (groups.bytes.len != 2 * groups.count) return error.Malformed;
    const weight = std.mem.readInt(i16, value[2..4], .big);
    const scale = std.mem.readInt(u16, value[6..8], .big);
    if (weight < 0) writer.byte('0');
    var group: isize = 0;
    while (group <= weight) : (group += 1) put_digits(writer, try groups.at(group), if (group == 0) 1 else 4);
    if (scale == 0) return;
    writer.byte('.');
    var left: usize = scale;
    group = @as(isize, weight) + 1;
    while (left > 0) : (group += 1) {
        const digits = try groups.at(group);
        const text = pair(digits / 100) ++ pair(digits % 100);
        const count = @min(left, text.len);
        writer.put(text[0..count]);
        left -= count;
    }
}

const Groups = struct {
    bytes: []const u8,
    count: usize,

    /// Outside of those that are sent all digits are zeros.
    fn at(groups: Groups, group: isize) Error!u64 {
        if (group < 0 or group >= groups.count) return 0;
        const value = std.mem.readInt(u16, groups.bytes[2 * @as(usize, @intCast(group)) ..][0..2], .big);
        return if (value < 10_000) value else error.Malformed;
    }
};

// Dates and times

fn put_date(writer: *Writer, days: i32) void {
    writer.byte('"');
    if (days == std.math.maxInt(i32)) {
        writer.put("infinity");
    } else if (days == std.math.minInt(i32)) {
        writer.put("-infinity");
    } else {
        const date = Date.of(days);
        date.put(writer);
        date.put_era(writer);
    }
    writer.byte('"');
}

fn put_timestamp(writer: *Writer, microseconds: i64, zone: []const u8) void {
    writer.byte('"');
    if (microseconds == std.math.maxInt(i64)) {
        writer.put("infinity");
    } else if (microseconds == std.math.minInt(i64)) {
        writer.put("-infinity");
    } else {
        const date = Date.of(@divFloor(microseconds, 86_400_000_000));
        date.put(writer);
        put_time(writer, @intCast(@mod(microseconds, 86_400_000_000)));
        writer.put(zone);
        date.put_era(writer);
    }
    writer.byte('"');
}

fn put_time(writer: *Writer, microseconds: u64) void {
    const seconds = microseconds / 1_000_000;
    writer.byte('T');
    writer.put(&pair(seconds / 3600));
    writer.byte(':');
    writer.put(&pair(seconds / 60 % 60));
    writer.byte(':');
    writer.put(&pair(seconds % 60));
    var fraction = microseconds % 1_000_000;
    if (fraction == 0) return;
    var width: usize = 6;
    while (fraction % 10 == 0) : (fraction /= 10) width -= 1;
    writer.byte('.');
    put_digits(writer, fraction, width);
}

const Date = struct {
    year: i64, // 0 is 1 BC
    month: u64,
    day: u64,

    /// Of the Gregorian calendar. days: since 2000-01-01.
    /// The arithmetic: years begin in March and come in eras of 400 (Hinnant, "chrono-Compatible Low-Level Date
    /// Algorithms").
    fn of(days: i64) Date {
        const since = days + 730_425; // since 0000-03-01
        const era = @divFloor(since, 146_097);
        const day_of_era: u64 = @intCast(since - era * 146_097);
        const year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        const day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        const month = (5 * day_of_year + 2) / 153; // 0: March
        const later = month >= 10; // January and February are of the next year
        return .{
            .year = era * 400 + @as(i64, @intCast(year_of_era)) + @intFromBool(later),
            .month = if (later) month - 9 else month + 3,
            .day = day_of_year - (153 * month + 2) / 5 + 1,
        };
    }

    fn put(date: Date, writer: *Writer) void {
        put_digits(writer, @abs(if (date.year > 0) date.year else 1 - date.year), 4);
        writer.byte('-');
        writer.put(&pair(date.month));
        writer.byte('-');
        writer.put(&pair(date.day));
    }

    fn put_era(date: Date, writer: *Writer) void {
        if (date.year <= 0) writer.put(" BC");
    }
};
