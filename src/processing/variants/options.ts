import { z } from 'zod'

/** The most variants of one picture. */
const mostVariants = 10

/** The longest side of a variant, in pixels: a screen's, twice. */
const longestSide = 4096

const pixels = z.int().min(1).max(longestSide)

const variantSchema = z
  .strictObject({
    width: pixels.optional().describe('Pixels; without it, it follows from the height.'),
    height: pixels.optional().describe('Pixels; without it, it follows from the width.'),
    fit: z
      .enum(['scale-down', 'contain', 'cover', 'crop', 'pad', 'squeeze'])
      .default('scale-down')
      .describe('How a picture of other proportions is brought into width and height.'),
    format: z.enum(['webp', 'jpeg', 'png', 'avif']).default('webp').describe('What the variant is written as.'),
    quality: z.int().min(1).max(100).default(80).describe('1 to 100; means nothing to PNG.'),
  })
  .refine(({ width, height }) => width !== undefined || height !== undefined, 'needs a width or a height')
  .refine(
    ({ width, height, fit }) =>
      (width !== undefined && height !== undefined) || fit === 'scale-down' || fit === 'contain',
    'needs both a width and a height for this fit',
  )

/** What a policy may ask of the step `image`. `docs/images.md` describes each for users. */
export const imageOptions = z.strictObject({
  variants: z
    .record(
      z
        .string()
        .regex(/^[a-z][a-z0-9-]{0,31}$/, 'is no name such as "thumb": lower-case letters, digits and "-", 32 at most'),
      variantSchema,
    )
    .refine((variants) => Object.keys(variants).length > 0, 'names no variant')
    .refine((variants) => Object.keys(variants).length <= mostVariants, `has more than ${mostVariants} variants`)
    .describe('The variants to make, by their names.'),
  required: z
    .boolean()
    .default(false)
    .describe('Whether a file fails of which a variant can not be made; else it is complete without that variant.'),
})
export type ImageOptions = z.infer<typeof imageOptions>
export type VariantOptions = ImageOptions['variants'][string]
