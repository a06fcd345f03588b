/** What `npm run dev` uses as the administrator's token. It is public, and refused outside of development. */
export const developmentAdminToken = 'dev-admin-token'

/** The domain that `npm run dev` makes, and that the console opens in development. */
export const developmentDomain = 'demo'
