//! Packets a client may send, and how they are bent.

use crate::harness::random::Random;

/// What a client knows of its session.
#[derive(Default)]
pub struct Known {
    /// Prepared statements: number, parameters.
    pub statements: Vec<(u32, u16)>,
}

const TEXTS: [&str; 34] = [
    "SELECT 1",
    "SELECT * FROM fuzz.t LIMIT 5",
    "SELECT id, s, d, n, NULL FROM fuzz.t ORDER BY id DESC LIMIT 3",
    "SELECT COUNT(*), SUM(n), AVG(n) FROM fuzz.t",
    "INSERT INTO fuzz.t (s, d, n) VALUES ('a', '2024-02-29 01:02:03.456', 1.5), (NULL, NULL, -7)",
    "INSERT INTO fuzz.t VALUES (1, 'twice', NULL, 0)",
    "UPDATE fuzz.t SET n = n + 1 WHERE id = 1",
    "DELETE FROM fuzz.t",
    "SELECT 1; SELECT 2; SELEC 3",
    "SELECT 1; INSERT INTO fuzz.t (s) VALUES ('b'); SELECT 'c', 2",
    "SET @a = 5, @b = 'x'",
    "SELECT @a, @b, @@version, @@sql_mode",
    "SET NAMES utf8mb4",
    "SET autocommit = 0",
    "SET autocommit = 1",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "USE fuzz",
    "USE nowhere",
    "SHOW WARNINGS",
    "SHOW TABLES FROM fuzz",
    "SHOW VARIABLES LIKE 'max%'",
    "PREPARE p FROM 'SELECT ? + 1'",
    "EXECUTE p USING @a",
    "DEALLOCATE PREPARE p",
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE fuzz.t FIELDS TERMINATED BY ',' (s, n)",
    "SELECT REPEAT('x', 70000), REPEAT('y', 251)",
    "SELECT * FROM missing.t",
    "SELECT 'unterminated",
    "",
    "KILL 0",
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'fuzz'",
];

const PREPARED: [&str; 8] = [
    "SELECT ?, ?",
    "SELECT * FROM fuzz.t WHERE id = ?",
    "INSERT INTO fuzz.t (s, d, n) VALUES (?, ?, ?)",
    "SELECT s, d, n FROM fuzz.t ORDER BY id LIMIT 7",
    "UPDATE fuzz.t SET s = ? WHERE id > ?",
    "SELECT 1 FROM missing.t",
    "SET @x = ?",
    "DO ?",
];

/// A login, mostly a good one.
pub fn login(random: &mut Random, capabilities: u32) -> (Vec<u8>, bool) {
    let mut packet = capabilities.to_le_bytes().to_vec();
    packet.extend((1u32 << 24).to_le_bytes());
    packet.push(255);
    packet.extend([0; 23]);
    packet.extend(b"root\0\0");
    packet.extend(b"caching_sha2_password\0");
    let is_bent = random.chance(20);
    if is_bent {
        bend(random, &mut packet);
    }
    (packet, is_bent)
}

/// Whether a command is answered without the client's saying more.
pub fn is_monologue(packet: &[u8]) -> bool {
    !matches!(packet.first(), Some(0x11 | 0x01)) && !packet.windows(5).any(|w| w == b"LOCAL")
}

/// A command as a driver would send it, if it is about something that is there.
pub fn command(random: &mut Random, known: &Known) -> Vec<u8> {
    let statement = match random.chance(90) && !known.statements.is_empty() {
        true => *random.pick(&known.statements),
        false => (random.below(100) as u32, random.below(4) as u16),
    };
    let about = |number: u8| {
        let mut packet = vec![number];
        packet.extend(statement.0.to_le_bytes());
        packet
    };
    match random.below(100) {
        0..30 => text(0x03, random.pick::<&str>(&TEXTS)),
        30..42 => text(0x16, random.pick::<&str>(&PREPARED)),
        42..64 => execute(random, about(0x17), statement.1),
        64..70 => {
            let mut packet = about(0x18);
            packet.extend((random.below(4) as u16).to_le_bytes());
            packet.extend((0..random.below(300)).map(|_| random.next() as u8));
            packet
        }
        70..74 => about(0x1A),
        74..78 => about(0x19),
        78..84 => {
            let mut packet = about(0x1C);
            packet.extend((random.below(12) as u32).to_le_bytes());
            packet
        }
        84..86 => text(0x02, random.pick::<&str>(&["fuzz", "nowhere", ""])),
        86..88 => text(
            0x04,
            random.pick::<&str>(&["t\0", "t\0s%", "missing\0", "t"]),
        ),
        88 => vec![0x09],
        89..92 => vec![0x0E],
        92 => vec![0x1B, random.below(3) as u8, 0],
        93 => vec![0x1F],
        94 => text(0x11, "root\0\0fuzz\0-\0caching_sha2_password\0"),
        // Each time another one: failures of the same user would make the rest wait.
        95 => {
            let stranger = format!("{:x}\0\0fuzz\0-\0mysql_native_password\0", random.next());
            text(0x11, &stranger)
        }
        96 => vec![0x0C, 0, 0, 0, 0],
        97 => vec![0x01],
        _ => vec![random.next() as u8],
    }
}

fn text(number: u8, text: &str) -> Vec<u8> {
    [&[number], text.as_bytes()].concat()
}

fn execute(random: &mut Random, mut packet: Vec<u8>, params: u16) -> Vec<u8> {
    packet.push(u8::from(random.chance(30)));
    packet.extend(1u32.to_le_bytes());
    if params == 0 {
        return packet;
    }
    let nulls = packet.len();
    packet.resize(nulls + usize::from(params).div_ceil(8), 0);
    let with_types = random.chance(85);
    packet.push(u8::from(with_types));
    let (mut types, mut values) = (Vec::new(), Vec::new());
    for param in 0..usize::from(params) {
        if random.chance(15) {
            packet[nulls + param / 8] |= 1 << (param % 8);
            types.extend([6, 0]);
        } else {
            types.extend(value(random, &mut values));
        }
    }
    if with_types {
        packet.extend(types);
    }
    packet.extend(values);
    packet
}

/// A value's bytes; its type and flags.
fn value(random: &mut Random, out: &mut Vec<u8>) -> [u8; 2] {
    let moment: [u8; 11] = [0xE8, 7, 2, 29, 23, 59, 58, 1, 2, 3, 0];
    match random.below(9) {
        0 => {
            out.extend(random.next().to_le_bytes());
            [8, (random.next() as u8) & 0x80]
        }
        1 => {
            out.push(random.next() as u8);
            [1, 0]
        }
        2 => {
            out.extend(1.5f64.to_le_bytes());
            [5, 0]
        }
        3 => {
            let length = *random.pick(&[0, 4, 7, 11]);
            out.push(length as u8);
            out.extend(&moment[..length]);
            [*random.pick(&[10, 12, 7]), 0]
        }
        4 => {
            out.extend([12, 1, 1, 0, 0, 0, 2, 3, 4, 5, 0, 0, 0]);
            [11, 0]
        }
        5 => {
            out.extend(b"\x0512.34");
            [246, 0]
        }
        6 => {
            out.extend(b"\xFC\x2C\x01");
            out.extend([b'x'; 300]);
            [253, 0]
        }
        7 => {
            out.extend(b"\x03\xFF\x00'");
            [252, 0]
        }
        _ => {
            out.extend(b"\x04\xF0\x9F\x9A\x80");
            [254, 0]
        }
    }
}

/// Changes a packet in one to three places.
pub fn bend(random: &mut Random, packet: &mut Vec<u8>) {
    for _ in 0..1 + random.below(3) {
        let at = random.below(packet.len() as u64) as usize;
        match random.below(6) {
            0 => packet.truncate(at),
            1 => packet.extend((0..1 + random.below(20)).map(|_| random.next() as u8)),
            2 => packet.insert(at, random.next() as u8),
            3 => {
                let tail = packet[at..].to_vec();
                packet.extend(tail);
            }
            4 if !packet.is_empty() => {
                packet[at] = *random.pick(&[0, 0xFB, 0xFC, 0xFE, 0xFF, b'\'', b';', b'?'])
            }
            _ if !packet.is_empty() => packet[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
}
