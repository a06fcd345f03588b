/** The head of `/openapi.json`; its paths and schemas come from the routes themselves. */
export const openApiInfo = {
  openapi: '3.1.0',
  info: {
    title: 'Stevedore',
    version: '1',
    description:
      'Uploads for multi-tenant applications. Send requests to a domain’s own host; on the apex host name the domain by `X-Upload-Domain`, `?domain=`, the credential, or a form field.',
    license: { name: 'MIT', identifier: 'MIT' },
  },
  security: [{}, { bearer: [] }],
}
