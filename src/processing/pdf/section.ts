import type { PdfDictionary } from './values.ts'

/** Where an object is: at a place of the file, or in an object stream. Null is an object that is not in use. */
export type PdfPlace = { kind: 'at'; offset: number } | { kind: 'within'; container: number } | null

/** One section of the cross-references: a table, or a stream. */
export interface PdfSection {
  trailer: PdfDictionary
  /** Undefined where this section does not say anything about the object. */
  find(object: number): Promise<PdfPlace | undefined>
  /** The object streams that objects of this section are in. */
  containers: ReadonlySet<number>
}
