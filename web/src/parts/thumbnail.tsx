import { useEffect, useRef, useState } from 'preact/hooks'
import type { Upload } from '../api.ts'
import { isPicture, type Picture, thumbnailOf } from '../thumbnails.ts'
import { useSeen } from './use-seen.ts'
import './thumbnail.css'

/** The picture of an upload, or the letters of its kind where there is none. It says nothing that the name does not. */
export function Thumbnail({ upload }: { upload: Upload }) {
  const [picture, setPicture] = useState<Picture | null>(null)
  const frame = useRef<HTMLSpanElement>(null)
  const isSeen = useSeen(frame)
  const { id, generation, status } = upload
  // Any other change of the upload leaves its picture as it is.
  useEffect(() => {
    let isGone = false
    setPicture(null)
    if (isSeen && isPicture(upload)) {
      thumbnailOf(upload).then(
        (found) => isGone || setPicture(found),
        // Without its picture the file is still there.
        () => {},
      )
    }
    return () => {
      isGone = true
    }
  }, [id, generation, status, isSeen])
  return (
    <span class="thumbnail" ref={frame} aria-hidden="true">
      {picture ? <img src={picture.url} alt="" /> : <span>{kindOf(upload)}</span>}
    </span>
  )
}

/** Up to four letters: the extension, or what the media type says. */
function kindOf({ filename, type }: Upload): string {
  const extension = /\.([a-z0-9]{1,4})$/i.exec(filename)?.[1]
  return (extension ?? type.split('/').at(-1)?.slice(0, 4) ?? '').toUpperCase()
}
