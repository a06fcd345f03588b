import { Buffer } from 'node:buffer'

/**
 * The harmless file that every scanner takes for malware (eicar.org), put together here: no file of this repository is to
 * be found by one.
 */
export const eicar = Buffer.from(
  [`X5O!P%@AP[4\\PZX54(P^)7CC)7}`, '$EICAR-STANDARD', '-ANTIVIRUS-TEST', '-FILE!$H+H*'].join(''),
)

/** Noise that is found only when every byte of it arrives in its place: the signature is its digest. */
export const wholeFile = { bytes: 3_000_001, seed: 77 }
