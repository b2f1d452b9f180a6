// Prisma's client over @prisma/adapter-mariadb. Its migrations are a program that is not on npm; tables are made by raw
// statements, as it would write them.

'use strict';

const { assert, settings, TEXT, BINARY, SUM, numbersSql, versionOf, run } = require('./common');
const { PrismaClient } = require('@prisma/client');
const { PrismaMariaDb } = require('@prisma/adapter-mariadb');

const clientOf = (password) => new PrismaClient({
  adapter: new PrismaMariaDb({ ...settings, password, allowPublicKeyRetrieval: true, connectionLimit: 3, acquireTimeout: 5000 }),
});
const prisma = clientOf(settings.password);

const TABLES = [
  `CREATE TABLE \`kinds\` (\`id\` INTEGER NOT NULL, \`big\` BIGINT UNSIGNED NOT NULL, \`money\` DECIMAL(20, 6) NOT NULL,
    \`half\` DOUBLE NOT NULL, \`label\` VARCHAR(100) NOT NULL, \`raw\` VARBINARY(300) NOT NULL, \`day\` DATE NOT NULL,
    \`moment\` DATETIME(3) NOT NULL, \`flag\` BOOLEAN NOT NULL, \`nothing\` INTEGER NULL, PRIMARY KEY (\`id\`)
  ) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`,
  `CREATE TABLE \`items\` (\`id\` INTEGER NOT NULL AUTO_INCREMENT, \`label\` VARCHAR(100) NOT NULL, \`n\` INTEGER NULL,
    UNIQUE INDEX \`items_label_key\`(\`label\`), PRIMARY KEY (\`id\`)
  ) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`,
  `CREATE TABLE \`tags\` (\`id\` INTEGER NOT NULL AUTO_INCREMENT, \`word\` VARCHAR(40) NOT NULL, \`item_id\` INTEGER NOT NULL,
    INDEX \`tags_item_id_idx\`(\`item_id\`), PRIMARY KEY (\`id\`)
  ) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`,
];

async function failsWith(work, code) {
  let failure = null;
  try { await work(); } catch (error) { failure = error; }
  assert.ok(failure, `${code} did not happen`);
  assert.strictEqual(failure.code, code, failure.message);
}

run(versionOf('@prisma/client'), {
  async connect() {
    const stranger = clientOf('wrong');
    await assert.rejects(() => stranger.$queryRaw`SELECT 1`);
    await stranger.$disconnect();
    assert.strictEqual((await prisma.$queryRaw`SELECT DATABASE() AS d`)[0].d, settings.database);
  },
  async ddl() {
    for (const sql of TABLES) await prisma.$executeRawUnsafe(sql);
    assert.strictEqual(await prisma.item.count(), 0);
  },
  async types() {
    const kind = {
      id: 1, big: 18446744073709551615n, money: '-12345678901234.567891', half: 0.1, label: TEXT, raw: BINARY,
      day: new Date('2024-02-29'), moment: new Date('2024-02-29T23:59:58.123Z'), flag: true, nothing: null,
    };
    await prisma.kind.create({ data: kind });
    const got = await prisma.kind.findUnique({ where: { id: 1 } });
    assert.deepStrictEqual({ ...got, money: String(got.money), raw: Buffer.from(got.raw) }, kind);
  },
  async batch() {
    const data = Array.from({ length: 1000 }, (_, i) => ({ label: `item ${i}`, n: i }));
    assert.strictEqual((await prisma.item.createMany({ data })).count, 1000);
    assert.strictEqual((await prisma.item.aggregate({ _sum: { n: true } }))._sum.n, 499500);
  },
  async prepared() {
    const found = await prisma.item.findMany({ where: { n: { in: [3, 4] } }, orderBy: { n: 'asc' }, take: 5, skip: 0 });
    assert.deepStrictEqual(found.map((item) => item.label), ['item 3', 'item 4']);
    assert.strictEqual(await prisma.item.count({ where: { label: { startsWith: 'item 99' } } }), 11);
    await prisma.item.update({ where: { label: 'item 3' }, data: { tags: { create: [{ word: 'a' }, { word: 'b' }] } } });
    const tagged = await prisma.item.findFirst({ where: { tags: { some: { word: 'b' } } }, include: { tags: true } });
    assert.deepStrictEqual(tagged.tags.map((tag) => tag.word), ['a', 'b']);
    const [odd] = await prisma.$queryRaw`SELECT COUNT(*) AS c FROM items WHERE n % ${2} = 1`;
    assert.strictEqual(Number(odd.c), 500);
  },
  async transaction() {
    await assert.rejects(() => prisma.$transaction(async (tx) => {
      await tx.tag.deleteMany();
      await tx.item.deleteMany();
      throw new Error('back');
    }), /back/);
    await prisma.$transaction([prisma.tag.deleteMany(), prisma.item.deleteMany({ where: { n: { lt: 3 } } })]);
    assert.strictEqual(await prisma.item.count(), 997);
  },
  async errors() {
    await failsWith(() => prisma.item.create({ data: { label: 'item 500' } }), 'P2002');
    await failsWith(() => prisma.item.update({ where: { id: -1 }, data: { n: 1 } }), 'P2025');
    await failsWith(() => prisma.$queryRaw`SELECT * FROM missing`, 'P2010');
    const saved = await prisma.item.upsert({
      where: { label: 'item 500' }, update: { n: 5000 }, create: { label: 'item 500' },
    });
    assert.strictEqual(saved.n, 5000);
  },
  async large() {
    for (const sql of numbersSql('numbers')) await prisma.$executeRawUnsafe(sql);
    const rows = await prisma.$queryRaw`SELECT id FROM numbers`;
    assert.strictEqual(rows.reduce((sum, row) => sum + row.id, 0), SUM);
    await prisma.$disconnect();
  },
});
