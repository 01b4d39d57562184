//! What a row's fields are, and how they are written: shared by all that make messages or JSON of rows.

const std = @import("std");

/// The type of a field at the store, as far as it decides how its bytes are written. Numbered as walker.py's Kind.
pub const Kind = enum(u8) {
    json,
    jsonb,
    number, // a number's text: NaN and infinities are none in JSON
    string,
    boolean,
    int2,
    int4,
    int8,
    float4,
    float8,
    numeric,
    uuid,
    bytea,
    date,
    timestamp,
    timestamptz,
    interval,
    other, // the row is left to Python
};

/// Laid out as walker.py's _Field.
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

    pub fn byte(writer: *Writer, value: u8) void {
        if (writer.used < writer.room.len) writer.room[writer.used] = value;
        writer.used += 1;
    }

    /// An integer as it stands in a message.
    pub fn binary(writer: *Writer, Int: type, value: Int) void {
        var bytes: [@sizeOf(Int)]u8 = undefined;
        std.mem.writeInt(Int, &bytes, value, .big);
        writer.put(&bytes);
    }

    /// Leave room for a length. Returns where, for `end_value`.
    pub fn begin_value(writer: *Writer) usize {
        writer.used += 4;
        return writer.used;
    }

    /// Write the length of what was written since.
    pub fn end_value(writer: *Writer, begin: usize) void {
        if (writer.used > writer.room.len) return;
        std.mem.writeInt(u32, writer.room[begin - 4 ..][0..4], @intCast(writer.used - begin), .big);
    }

    pub fn quoted(writer: *Writer, text: []const u8) void {
        writer.byte('"');
        writer.put(text);
        writer.byte('"');
    }

    /// A JSON string, as escape_json writes it: what must be escaped, and nothing else.
    pub fn string(writer: *Writer, text: []const u8) void {
        var rest = text;
        writer.byte('"');
        while (true) {
            const plain = plain_bytes(rest);
            writer.put(rest[0..plain]);
            if (plain == rest.len) break;
            writer.escaped(rest[plain]);
            rest = rest[plain + 1 ..];
        }
        writer.byte('"');
    }

    fn escaped(writer: *Writer, character: u8) void {
        switch (character) {
            '"' => writer.put("\\\""),
            '\\' => writer.put("\\\\"),
            8 => writer.put("\\b"),
            '\t' => writer.put("\\t"),
            '\n' => writer.put("\\n"),
            12 => writer.put("\\f"),
            '\r' => writer.put("\\r"),
            else => {
                writer.put("\\u00");
                writer.hex(&.{character});
            },
        }
    }

    pub fn hex(writer: *Writer, bytes: []const u8) void {
        const known = "0123456789abcdef";
        for (bytes) |one| writer.put(&.{ known[one >> 4], known[one & 15] });
    }

    /// A bytea in JSON.
    pub fn hex_string(writer: *Writer, bytes: []const u8) void {
        writer.put("\"\\\\x");
        writer.hex(bytes);
        writer.byte('"');
    }

    pub fn integer(writer: *Writer, value: i64) void {
        if (value < 0) writer.byte('-');
        writer.digits(@abs(value), 1);
    }

    /// In decimal, with zeros before it up to `width`.
    pub fn digits(writer: *Writer, value: u64, width: usize) void {
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
};

/// How many bytes at the beginning stand for themselves in a JSON string.
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

/// Two decimal digits.
pub fn pair(value: u64) [2]u8 {
    return .{ '0' + @as(u8, @intCast(value / 10)), '0' + @as(u8, @intCast(value % 10)) };
}
