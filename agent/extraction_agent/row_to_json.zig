//! A row of PostgreSQL's binary COPY as one JSON value: byte for byte what the server's own row_to_json makes of it, at
//! a small part of the server's time. What has no kind here comes as JSON that the server has made.

const std = @import("std");
const fields = @import("fields.zig");
const Writer = fields.Writer;
const pair = fields.pair;

pub const Error = error{Malformed};

/// Write a row's fields, as they follow its count of fields, as an object.
pub fn write(writer: *Writer, shape: []const fields.Field, row: []const u8) Error!void {
    var rest = row;
    writer.byte('{');
    for (shape) |field| {
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

fn put_value(writer: *Writer, kind: fields.Kind, value: []const u8) Error!void {
    switch (kind) {
        .json => writer.put(value),
        .jsonb => {
            if (value.len == 0 or value[0] != 1) return error.Malformed; // the version of its binary form
            writer.put(value[1..]);
        },
        .number => if (is_number(value)) writer.put(value) else writer.quoted(value),
        .string => writer.string(value),
        .boolean => writer.put(if (try integer(i8, value) != 0) "true" else "false"),
        .int2 => writer.integer(try integer(i16, value)),
        .int4 => writer.integer(try integer(i32, value)),
        .int8 => writer.integer(try integer(i64, value)),
        .numeric => try put_numeric(writer, value),
        .uuid => try put_uuid(writer, value),
        .bytea => writer.hex_string(value),
        .date => put_date(writer, try integer(i32, value)),
        .timestamp => put_timestamp(writer, try integer(i64, value), ""),
        .timestamptz => put_timestamp(writer, try integer(i64, value), "+00:00"),
        .float4, .float8, .interval, .other => return error.Malformed, // the server makes text or JSON of these
    }
}

fn integer(Int: type, value: []const u8) Error!Int {
    if (value.len != @sizeOf(Int)) return error.Malformed;
    return std.mem.readInt(Int, value[0..@sizeOf(Int)], .big);
}

fn put_uuid(writer: *Writer, value: []const u8) Error!void {
    if (value.len != 16) return error.Malformed;
    const groups = [_]usize{ 0, 4, 6, 8, 10, 16 };
    for (groups[0 .. groups.len - 1], groups[1..]) |begin, end| {
        writer.byte(if (begin == 0) '"' else '-');
        writer.hex(value[begin..end]);
    }
    writer.byte('"');
}


// Numbers

fn is_number(text: []const u8) bool {
    const digits = if (text.len > 0 and text[0] == '-') text[1..] else text;
    return digits.len > 0 and std.ascii.isDigit(digits[0]);
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
    while (group <= weight) : (group += 1) writer.digits(try groups.at(group), if (group == 0) 1 else 4);
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
    if (infinity(days)) |word| return writer.quoted(word);
    const date = Date.of(days);
    writer.byte('"');
    date.put(writer);
    date.put_era(writer);
    writer.byte('"');
}

fn put_timestamp(writer: *Writer, microseconds: i64, zone: []const u8) void {
    if (infinity(microseconds)) |word| return writer.quoted(word);
    const date = Date.of(@divFloor(microseconds, 86_400_000_000));
    writer.byte('"');
    date.put(writer);
    put_time(writer, @intCast(@mod(microseconds, 86_400_000_000)));
    writer.put(zone);
    date.put_era(writer);
    writer.byte('"');
}

/// The word for a value that stands for no day. Null: it stands for one.
fn infinity(value: anytype) ?[]const u8 {
    const Int = @TypeOf(value);
    return if (value == std.math.maxInt(Int)) "infinity" else if (value == std.math.minInt(Int)) "-infinity" else null;
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
    writer.digits(fraction, width);
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
        writer.digits(@abs(if (date.year > 0) date.year else 1 - date.year), 4);
        writer.byte('-');
        writer.put(&pair(date.month));
        writer.byte('-');
        writer.put(&pair(date.day));
    }

    fn put_era(date: Date, writer: *Writer) void {
        if (date.year <= 0) writer.put(" BC");
    }
};
