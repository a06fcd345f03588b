/** Where a domain's data may be required to stay. A deployment has a database and a bucket for each that it offers. */
export const jurisdictions = ['eu', 'fedramp'] as const
export type Jurisdiction = (typeof jurisdictions)[number]

/** What tells in which database and bucket a domain has its data: null is the deployment's own. It never changes. */
export interface Located {
  readonly jurisdiction: Jurisdiction | null
}
