//! The one loop over single rows. It takes rows from libpq or from memory as messages of PostgreSQL's binary COPY, or as
//! packets of MySQL's protocol, puts the chunk's own fields before each, makes JSON of it where that is asked for, and
//! digests each: what Python would spend most of a relay's time on.

const std = @import("std");
const fields = @import("fields.zig");
const mysql_rows = @import("mysql_rows.zig");
const row_to_json = @import("row_to_json.zig");
const Digest = std.hash.XxHash64;

const header = "PGCOPY\n\xff\r\n\x00" ++ "\x00\x00\x00\x00\x00\x00\x00\x00"; // signature; no flags, no extension
const most_fields = 1664; // of a row that PostgreSQL sends

const longest_row = (1 << 30) - 1; // bytes, of what PostgreSQL allocates at once

const Outcome = enum(c_int) { filled, wait, ended, failed, malformed, too_long };
const Refused = error{ NoRoom, Malformed, TooLong };

/// Functions of the libpq that psycopg has loaded.
const Libpq = extern struct {
    get_copy_data: *const fn (*anyopaque, *?[*]u8, c_int) callconv(.c) c_int,
    consume_input: *const fn (*anyopaque) callconv(.c) c_int,
    free: *const fn (?*anyopaque) callconv(.c) void,
};

/// Rows one after another. Laid out as walker.py's Block, which owns the memory.
const Block = extern struct {
    data: [*]u8,
    capacity: usize,
    used: usize,
    digests: [*]u64,
    halves: [*]u32, // of the digests: what is kept of each
    ends: [*]u32, // where in `data` each row ends
    most_rows: usize,
    rows: usize,
    sum: u64, // of the digests, modulo 2^64
    prefix: [*]const u8, // fields to put before each row's own
    prefix_bytes: usize,
    prefix_fields: u16,
    begun: bool, // the stream's header has passed
    skip: usize, // bytes of stored fields at its beginning, which its digest leaves out
    tail: usize, // bytes of them at its end
    longest: usize, // bytes of the longest message so far
    waiting: ?[*]u8, // libpq's last message, until it has found room
    waiting_bytes: usize,
    waiting_from: usize, // where its row begins
    shape: ?[*]const fields.Field, // what rows are made of, where they are not taken as they come
    shape_fields: usize,
    objects: bool, // one JSON value is made of each
    needed: usize, // bytes of room for the row that found none

    /// Add a row as it came.
    fn add_plain(block: *Block, message: []const u8) Refused!void {
        var writer = try block.open();
        writer.put(message[2..]);
        try block.close(writer, std.mem.readInt(u16, message[0..2], .big));
    }

    /// Add a row of PostgreSQL's as one JSON value.
    fn add_object(block: *Block, message: []const u8) Refused!void {
        const shape = block.shape.?[0..block.shape_fields];
        if (std.mem.readInt(u16, message[0..2], .big) != shape.len) return error.Malformed;
        var writer = try block.open();
        const begin = writer.begin_value();
        try row_to_json.write(&writer, shape, message[2..]);
        writer.end_value(begin);
        try block.close(writer, 1);
    }

    /// Add a row of MySQL's.
    fn add_packet(block: *Block, packet: []const u8) (Refused || mysql_rows.Error)!void {
        const shape = block.shape.?[0..block.shape_fields];
        var writer = try block.open();
        if (block.objects) {
            const begin = writer.begin_value();
            try mysql_rows.write_object(&writer, shape, packet);
            writer.end_value(begin);
        } else {
            try mysql_rows.write_fields(&writer, shape, packet);
        }
        try block.close(writer, if (block.objects) 1 else @intCast(shape.len));
    }

    /// Where the next row's own fields are written.
    fn open(block: *Block) Refused!fields.Writer {
        if (block.rows == block.most_rows) return error.NoRoom;
        return .{ .room = block.data[block.used..block.capacity], .used = 2 + block.prefix_bytes };
    }

    /// Make a row of what was written.
    fn close(block: *Block, writer: fields.Writer, count: u16) Refused!void {
        const room, const size = .{ writer.room, writer.used };
        const own = 2 + block.prefix_bytes;
        if (size - own > longest_row) return error.TooLong;
        if (size > room.len) {
            block.needed = size;
            return error.NoRoom;
        }
        std.mem.writeInt(u16, room[0..2], count + block.prefix_fields, .big);
        @memcpy(room[2..own], block.prefix[0..block.prefix_bytes]);
        const end = size - @min(block.tail, size - own);
        const digest = Digest.hash(0, room[@min(own + block.skip, end)..end]); // shorter: not a row of ours
        block.digests[block.rows] = digest;
        block.halves[block.rows] = @truncate(digest);
        block.sum +%= digest;
        block.used += size;
        block.ends[block.rows] = @intCast(block.used);
        block.rows += 1;
    }
};

/// Add what a COPY TO STDOUT has sent, up to some `enough` bytes. Never waits.
/// `filled` without a row: the next one needs more room, as told by `needed`.
export fn drain(block: *Block, connection: *anyopaque, libpq: *const Libpq, enough: usize) Outcome {
    settle(block, libpq) catch |refused| return outcome(refused);
    var asked = false; // the socket had nothing more
    while (block.used < enough) {
        const length = libpq.get_copy_data(connection, &block.waiting, 1);
        if (length < 0) return if (length == -1) .ended else .failed;
        if (length == 0) {
            if (asked) return .wait;
            if (libpq.consume_input(connection) == 0) return .failed;
            asked = true;
            continue;
        }
        asked = false;
        block.waiting_bytes = @intCast(length);
        block.waiting_from = 0;
        const message = block.waiting.?[0..block.waiting_bytes];
        if (!block.begun) {
            if (!std.mem.startsWith(u8, message, header)) return .malformed;
            block.begun = true;
            block.waiting_from = header.len; // the first row, or the trailer, comes with it
        }
        if (!is_row(message[block.waiting_from..]) and !is_end(message[block.waiting_from..])) return .malformed;
        settle(block, libpq) catch |refused| return outcome(refused);
    }
    return .filled;
}

/// Add libpq's last message, if there is one, and give it back.
fn settle(block: *Block, libpq: *const Libpq) Refused!void {
    const message = block.waiting orelse return;
    const row = message[block.waiting_from..block.waiting_bytes];
    if (!is_end(row)) try if (block.objects) block.add_object(row) else block.add_plain(row);
    block.longest = @max(block.longest, row.len);
    release(block, libpq);
}

fn outcome(refused: Refused) Outcome {
    return switch (refused) {
        error.NoRoom => .filled,
        error.Malformed => .malformed,
        error.TooLong => .too_long,
    };
}

fn is_row(message: []const u8) bool {
    return message.len >= 2 and std.mem.readInt(u16, message[0..2], .big) <= most_fields;
}

/// The trailer, or nothing, which is what a header may come alone with.
fn is_end(message: []const u8) bool {
    return message.len == 0 or std.mem.eql(u8, message, "\xff\xff");
}

/// Give back a message that found no room.
export fn release(block: *Block, libpq: *const Libpq) void {
    if (block.waiting) |message| libpq.free(message);
    block.waiting = null;
}

/// Add rows that lie in memory one after another: all, or `filled`, or `too_long`.
export fn take(block: *Block, rows: [*]const u8, bytes: usize) Outcome {
    var left = rows[0..bytes];
    while (left.len > 0) {
        const size = length_of(left);
        block.add_plain(left[0..size]) catch |refused| return outcome(refused);
        left = left[size..];
    }
    return .ended;
}

/// Bytes of the first of many rows: a count of fields, then the length of each (-1: NULL) and its value.
fn length_of(rows: []const u8) usize {
    var at: usize = 2;
    for (0..std.mem.readInt(u16, rows[0..2], .big)) |_| {
        const length = std.mem.readInt(i32, rows[at..][0..4], .big);
        at += 4 + @as(usize, @intCast(@max(length, 0)));
    }
    return at;
}

/// Add rows from packets of MySQL's protocol, up to some `enough` bytes. `at`: where the next packet begins.
/// `wait`: that is not there yet, or not all of it. `ended`: it is no row, or one that Python must look at.
export fn take_packets(block: *Block, bytes: [*]const u8, count: usize, at: *usize, enough: usize) Outcome {
    while (block.used < enough) {
        const packet = mysql_rows.packet_of(bytes[at.*..count]) orelse return .wait;
        if (!mysql_rows.is_row(packet)) return .ended;
        block.add_packet(packet) catch |refused| return switch (refused) {
            error.NoRoom => .filled,
            error.TooLong => .too_long,
            error.Malformed, error.Unfit => .ended,
        };
        at.* += 4 + packet.len;
    }
    return .filled;
}

/// Drop the rows whose digests are among those taken; each of these drops one row, then it is met.
export fn sift(block: *Block, taken: [*]const u64, met: [*]bool, count: usize) void {
    const known = taken[0..count];
    var start: usize = 0; // of the row looked at
    var kept: usize = 0;
    block.used = 0;
    for (block.digests[0..block.rows], block.ends[0..block.rows]) |digest, end| {
        const size = end - start;
        if (meet(known, met, digest)) {
            block.sum -%= digest;
        } else {
            std.mem.copyForwards(u8, block.data[block.used..][0..size], block.data[start..end]);
            block.used += size;
            block.digests[kept] = digest;
            block.halves[kept] = @truncate(digest);
            block.ends[kept] = @intCast(block.used);
            kept += 1;
        }
        start = end;
    }
    block.rows = kept;
}

fn meet(known: []const u64, met: [*]bool, digest: u64) bool {
    const equal = std.sort.equalRange(u64, known, digest, compare);
    var first = equal[0]; // that was not met: they are met in order
    var end = equal[1];
    while (first < end) {
        const middle = first + (end - first) / 2;
        if (met[middle]) first = middle + 1 else end = middle;
    }
    if (first == equal[1]) return false;
    met[first] = true;
    return true;
}

fn compare(digest: u64, other: u64) std.math.Order {
    return std.math.order(digest, other);
}

/// Sort digests in place.
export fn sort(digests: [*]u64, count: usize) void {
    std.sort.pdq(u64, digests[0..count], {}, std.sort.asc(u64));
}

/// What walker.py was written for.
export fn layout() c_int {
    return @sizeOf(Block) * 256 + std.enums.values(fields.Kind).len;
}
