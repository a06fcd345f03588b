import { useEffect, useState } from 'preact/hooks'
import type { UploadDetail } from '../../api.ts'
import { isPicture, type Picture, previewOf } from '../../thumbnails.ts'

/** The largest picture that was made of the upload; nothing where there is none. */
export function Preview({ upload }: { upload: UploadDetail }) {
  const [picture, setPicture] = useState<Picture | null>(null)
  const { id, generation, status } = upload
  // Any other change of the upload leaves its picture as it is.
  useEffect(() => {
    let isGone = false
    setPicture(null)
    if (isPicture(upload)) {
      previewOf(upload).then(
        (found) => isGone || setPicture(found),
        () => {},
      )
    }
    return () => {
      isGone = true
    }
  }, [id, generation, status])
  if (!picture) return null
  const { url, variant } = picture
  return (
    <figure class="panel preview">
      <img
        src={url}
        alt={upload.filename}
        {...(variant.width && variant.height ? { width: variant.width, height: variant.height } : {})}
      />
    </figure>
  )
}
