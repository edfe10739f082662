{
  // Redoc looks for its logo below the page's address, which may end in a slash.
  history.replaceState(null, "", location.pathname.replace(/[/]+$/, "") + location.search + location.hash);
  const page = document.getElementById("redoc");
  Redoc.init(page.dataset.openapi, {}, page);
}
