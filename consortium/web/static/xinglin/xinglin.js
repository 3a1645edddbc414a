/* What a page does beyond HTML and htmx. Every page works without it, only less comfortably. */
(function () {
  'use strict'

  const say = (name) => document.body.dataset[name] || ''

  // The list to which a running request will add lines.
  let growing = null

  function announce (text) {
    const region = document.getElementById('announcement')
    if (region) {
      region.textContent = text
      region.hidden = text === ''
    }
  }

  // A session that ended answers a part of a page with the sign-in page: show that page, not a page within a page.
  document.addEventListener('htmx:beforeSwap', (event) => {
    const { xhr, requestConfig } = event.detail
    const asked = new URL(requestConfig.path, location.href)
    if (xhr.responseURL && new URL(xhr.responseURL).pathname !== asked.pathname) {
      event.detail.shouldSwap = false
      location.reload()
    }
  })
  document.addEventListener('htmx:beforeRequest', (event) => {
    announce('')
    growing = event.detail.elt.closest('[data-focus-next]')
  })
  document.addEventListener('htmx:sendError', () => announce(say('unreachable')))
  document.addEventListener('htmx:responseError', () => announce(say('failed')))

  // "/" goes to the search field, arrows move between results.
  document.addEventListener('keydown', (event) => {
    const field = document.getElementById('patient-search')
    if (!field || event.altKey || event.ctrlKey || event.metaKey) {
      return
    }
    if (event.key === '/' && !event.target.closest('input, textarea, select')) {
      event.preventDefault()
      field.focus()
      return
    }
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') {
      return
    }
    const stops = [field, ...document.querySelectorAll('.results a')]
    const here = stops.indexOf(document.activeElement)
    const next = stops[here + (event.key === 'ArrowDown' ? 1 : -1)]
    if (here >= 0 && next) {
      event.preventDefault()
      next.focus()
    }
  })

  // After "show more", focus goes to the first of what came: the button that had it is gone.
  document.addEventListener('htmx:afterSwap', () => {
    const fresh = growing && growing.querySelector('[data-fresh]')
    growing = null
    if (fresh) {
      const stop = fresh.querySelector('a') || fresh
      fresh.removeAttribute('data-fresh')
      if (stop === fresh) {
        fresh.tabIndex = -1
      }
      stop.focus()
    }
  })

  document.querySelectorAll('.drop').forEach((area) => {
    const field = area.querySelector('input[type=file]')
    area.addEventListener('dragover', (event) => {
      event.preventDefault()
      area.classList.add('over')
    })
    area.addEventListener('dragleave', () => area.classList.remove('over'))
    area.addEventListener('drop', (event) => {
      event.preventDefault()
      area.classList.remove('over')
      if (event.dataTransfer.files.length) {
        field.files = event.dataTransfer.files
        field.dispatchEvent(new Event('change', { bubbles: true }))
      }
    })
  })

  document.querySelectorAll('[data-print]').forEach((button) => {
    button.hidden = false
    button.addEventListener('click', () => window.print())
  })

  // The person menu closes when focus or a click goes elsewhere, and on Escape.
  document.querySelectorAll('.top details').forEach((menu) => {
    document.addEventListener('click', (event) => {
      if (!menu.contains(event.target)) {
        menu.open = false
      }
    })
    menu.addEventListener('focusout', (event) => {
      if (event.relatedTarget && !menu.contains(event.relatedTarget)) {
        menu.open = false
      }
    })
    menu.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        menu.open = false
        menu.querySelector('summary').focus()
      }
    })
  })

  // A passkey that was refused or dismissed is said on the page, not in the console.
  document.addEventListener('allauth.error', (event) => {
    event.preventDefault()
    announce(say('passkey'))
  })
})()
