/** How the fields of a policy stand together on its page. A field that is named nowhere stands at the end. */
const sections: readonly { title: string; fields: readonly string[] }[] = [
  {
    title: 'Sizes and counts',
    fields: ['maxFileBytes', 'maxRequestBytes', 'maxFilesPerRequest', 'quotaBytes', 'quotaFiles'],
  },
  {
    title: 'What is taken',
    fields: ['allowedTypes', 'deniedTypes', 'confirmedTypes', 'allowedExtensions', 'metadata'],
  },
  { title: 'Access', fields: ['anonymousUpload', 'publicRead', 'readBeforeComplete', 'allowedOrigins'] },
  {
    title: 'Rates',
    fields: ['uploadsPerMinute', 'uploadsPerMinutePerClient', 'readsPerMinute', 'readsPerMinutePerClient'],
  },
  { title: 'Keeping', fields: ['retentionDays', 'historyDays'] },
  { title: 'Processing', fields: ['steps', 'callbackHosts'] },
]

/** The sections of a policy that has these fields. */
export function sectionsOf(names: readonly string[]): { title: string; fields: string[] }[] {
  const placed = new Set(sections.flatMap(({ fields }) => fields))
  const all = [...sections, { title: 'More', fields: names.filter((name) => !placed.has(name)) }]
  return all
    .map(({ title, fields }) => ({ title, fields: fields.filter((name) => names.includes(name)) }))
    .filter(({ fields }) => fields.length > 0)
}
