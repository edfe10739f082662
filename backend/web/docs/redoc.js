(async () => {
  // Redoc looks for its logo below the page's address, which may end in a slash.
  history.replaceState(null, "", location.pathname.replace(/[/]+$/, "") + location.search + location.hash);
  const page = document.getElementById("redoc");
  const address = new URL(page.dataset.openapi, location.href);
  try {
    const spec = await (await fetch(address)).json();
    spec.servers = [{ url: new URL(".", address).href.replace(/[/]$/, "") }]; // with API Gateway's stage
    Redoc.init(spec, { downloadUrls: [{ title: "Download", url: address.href }] }, page);
  } catch {
    page.textContent = "The documentation could not be loaded. Please reload this page.";
  }
})();
