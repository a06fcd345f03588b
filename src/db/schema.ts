// Every table there is. Times are milliseconds since 1970, sizes are bytes. `domains` and `hostnames` belong to the
// control database, every other table to the database of its domain, which is another one only where the domain has a
// jurisdiction.

export * from './schema/access.ts'
export * from './schema/chores.ts'
export * from './schema/domains.ts'
export * from './schema/files.ts'
export * from './schema/webhooks.ts'
