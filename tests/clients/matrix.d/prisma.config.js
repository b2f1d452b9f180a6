// For `prisma generate`, which only reads the schema; the client is told its server by prisma.js.
module.exports = { schema: 'schema.prisma', datasource: { url: 'mysql://nobody@localhost/nothing' } };
