from django.contrib.auth.views import LoginView
from django.http import JsonResponse
from django.urls import include, path
from oauth2_provider import urls as oauth2_urls
from oauth2_provider.decorators import protected_resource
from oauth2_provider.views import TokenView

from referee import families


# With `advertise_metadata` an invalid token gets the 401 of RFC 6750, without it a bare 403.
@protected_resource(scopes=["read"], advertise_metadata=True)
def resource(request):
    return JsonResponse({"user": request.resource_owner.get_username()})


urlpatterns = [
    path("login/", LoginView.as_view(template_name="login.html"), name="login"),
    path("o/", include(oauth2_urls)),
    # The same endpoint, for one replica: the referee then records which replica presents.
    path("o/token/of/<str:replica>/", TokenView.as_view()),
    path("api/me/", resource),
    path("families/", families),
]
